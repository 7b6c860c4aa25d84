import { sh } from './stage.ts';

/** Writes one document after another, and says of each that a majority has it. A number that may have been lost on the way is not said. */
const SCRIPT = String.raw`
const db = connect(process.env.URL);
const acknowledged = [];
for (let n = 0; ; n++) {
  try {
    db.living.insertOne({ _id: n }, { writeConcern: { w: 'majority', wtimeout: 10000 } });
    print('ack ' + n);
  } catch (error) { sleep(200); }
  sleep(50);
}`;

const READ = String.raw`print(JSON.stringify(connect(process.env.URL).living.find({}, { _id: 1 }).toArray().map(({ _id }) => _id)));`;

/** What the writer was told, and what is there. */
export interface Written {
  readonly acknowledged: number;
  readonly lost: number;
}

/** A client of the replica set on one of its hosts, in a container of its own. */
export class Writer {
  readonly #host: string;
  readonly #run: string;

  constructor(
    host: string,
    place: {
      readonly image: string;
      readonly members: readonly string[];
      readonly password: string;
      readonly ip: string;
    },
  ) {
    const { image, members, password, ip } = place;
    const url = `mongodb://admin:${password}@${members.join(',')}/test?authSource=admin&replicaSet=rs0&serverSelectionTimeoutMS=5000`;
    this.#host = host;
    this.#run = `printf 'URL=%s\n' '${url}' > /run/living.env
docker run --rm --network=farweave --mount=type=bind,source=/etc/farweave/resolv.conf,target=/etc/resolv.conf,readonly --env-file=/run/living.env --entrypoint= ${`--ip=${ip}`}`;
    this.#tail = `${image} mongosh --quiet --nodb`;
  }

  readonly #tail: string;

  async start(): Promise<void> {
    await sh(this.#host, `${this.#run} -d --name=living-writer -i ${this.#tail} --eval '${quoted(SCRIPT)}'`);
  }

  async stop(): Promise<Written> {
    const log = await sh(this.#host, 'docker logs living-writer; docker rm -f living-writer > /dev/null');
    const acknowledged = [...log.matchAll(/^ack (\d+)$/gm)].map(([, n]) => Number(n));
    const found = await sh(
      this.#host,
      `${this.#run} --name=living-reader ${this.#tail} --eval '${quoted(READ)}'; rm -f /run/living.env`,
    );
    const there = new Set(JSON.parse(found.trim().split('\n').at(-1) ?? '[]') as number[]);
    return { acknowledged: acknowledged.length, lost: acknowledged.filter((n) => !there.has(n)).length };
  }
}

const quoted = (script: string) => script.replaceAll("'", `'"'"'`);
