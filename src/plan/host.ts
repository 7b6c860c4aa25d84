/** A host as operations and activities see it. Secrets stand as names. */
export interface HostSpec {
  readonly name: string;
  readonly site: string;
  /** Allotted once and kept for the host's life: its subnet and its member number follow from it. */
  readonly index: number;
  readonly address: string;
  readonly port: number;
  readonly user: string;
  /** `SHA256:…`, if the spec pins it. */
  readonly hostKey?: string;
  readonly labels: Readonly<Record<string, string>>;
  /** The bastion behind which it stands. */
  readonly via?: string;
  /** The keys of the worker's ssh agent let one in. */
  readonly agent?: true;
  /** How to become root, where it is not by sudo. */
  readonly become?: 'doas';
  /** Names of secrets. */
  readonly access: Credentials & {
    readonly sudoPassword?: string;
    /** The cluster's own key, which the host is to have. */
    readonly key?: string;
  };
  /** It is taken out of the cluster: where it does not answer, the others go on without it. */
  readonly leaving?: true;
  /** Only workers of its site reach it. Missing: any worker of the cluster does. */
  readonly workers?: 'own';
  /** How much of the way to its site one worker may use at once. Missing: as much as it likes. */
  readonly limits?: Limits;
}

/** Names of the secrets to log in with. */
interface Credentials {
  readonly password?: string;
  readonly privateKey?: string;
  readonly passphrase?: string;
}

/** A machine that leads to hosts which cannot be reached without it. Nothing is ever run on it. */
export interface BastionSpec {
  readonly address: string;
  readonly port: number;
  readonly user: string;
  /** `SHA256:…`, if the spec pins it. */
  readonly hostKey?: string;
  /** Another bastion that leads to this one. */
  readonly via?: string;
  /** The keys of the worker's ssh agent let one in. */
  readonly agent?: true;
  /** How much of the way through it one worker may use at once. Missing: as much as it likes. */
  readonly limits?: Limits;
  readonly access: Credentials;
}

/** By name. No bastion has the name of a host. */
export type Bastions = Readonly<Record<string, BastionSpec>>;

/** What may be used at once of something that hosts share, such as the way to their site. */
export interface Limits {
  /** Connections that are open. */
  readonly sessions?: number;
  readonly startsPerSecond?: number;
}
