/** A port that hosts publish. */
export interface Published {
  /** The one address at which it is; missing: all of them. */
  readonly ip?: string;
  /** Of the host. */
  readonly port: number;
  /** Of the container. */
  readonly inside: number;
  readonly protocol: string;
}

/** Reads `8080`, `80:8080`, `127.0.0.1:80:8080` or `53:53/udp`. */
export function published(text: string): Published {
  const [place = '', protocol = 'tcp'] = text.split('/');
  const parts = place.split(':');
  const inside = Number(parts.at(-1));
  const port = Number(parts.at(-2)?.includes('.') ? inside : (parts.at(-2) ?? inside));
  const ip = parts.find((part) => part.includes('.'));
  return { ...(ip !== undefined && { ip }), port, inside, protocol };
}

/** As `docker run --publish` takes it: given a container's port alone, it would choose one of the host by itself. */
export function publishing(text: string): string {
  const { ip, port, inside, protocol } = published(text);
  return [...(ip === undefined ? [] : [ip]), port, `${inside}/${protocol}`].join(':');
}
