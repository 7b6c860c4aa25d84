import net from 'node:net';
import ssh2, { type ServerChannel } from 'ssh2';
import type { Target } from '../src/ssh/host.ts';
import { keyPair } from './ssh-server.ts';

/** What a host does instead of what it should. Before the login: over plain TCP. */
const SOCKETS = {
  'speaks HTTP': (socket: net.Socket) => void socket.end('HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n'),
  'says garbage': (socket: net.Socket) => flood(socket, Buffer.from([0, 255, 10, 27, 91, 50, 74, 13])),
  'says nothing': () => {},
  'hangs up': (socket: net.Socket) => void socket.destroy(),
  'says a line a second': (socket: net.Socket) => {
    const line = setInterval(() => socket.write('you are being kept waiting\r\n'), 200);
    socket.on('close', () => clearInterval(line));
  },
  'greets without end': (socket: net.Socket) => flood(socket, Buffer.from('welcome, and welcome again\r\n')),
  'greets in one line without end': (socket: net.Socket) => flood(socket, Buffer.from('welcome ')),
  'says nothing after its banner': (socket: net.Socket) => void socket.write('SSH-2.0-OpenSSH_9.9\r\n'),
  'says garbage after its banner': (socket: net.Socket) => {
    socket.write('SSH-2.0-OpenSSH_9.9\r\n');
    flood(socket, Buffer.alloc(4096, 0xff));
  },
} as const satisfies Record<string, (socket: net.Socket) => void>;

/** After the login, with whatever password. */
const SESSIONS = {
  'refuses channels': undefined,
  'never answers for a channel': undefined,
  'hangs up after the login': undefined,
  'ends every command at once': (channel: ServerChannel) => (channel.exit(0), channel.end()),
  'gives a shell that says nothing': () => {},
  'floods who waits for a shell': (channel: ServerChannel) => (flood(channel, BABBLE), flood(channel.stderr, BABBLE)),
  'gives back what it is sent': (channel: ServerChannel) => {
    channel.on('data', (chunk: Buffer) => (channel.write(chunk), channel.stderr.write(chunk)));
  },
  'asks for the password again and again': (channel: ServerChannel, command: string) => {
    const [prompt = 'password:'] = /fw-\w+-password:/.exec(command) ?? [];
    channel.on('data', () => channel.stderr.write(prompt));
    channel.stderr.write(prompt);
  },
  'floods who asks': asked((channel) => (flood(channel, BABBLE), flood(channel.stderr, BABBLE))),
  'begins a mark that never ends': asked((channel, nonce) => {
    channel.write(`${nonce} `);
    flood(channel, Buffer.alloc(16_384, 'x'));
  }),
  'answers more than it was asked': asked((channel, nonce) => {
    flood(channel, Buffer.from(`${nonce} 0\n`.repeat(500)));
  }),
  'begins one question again and again': asked((channel, nonce) => flood(channel, Buffer.from(`${nonce} +1\n`))),
  'is gone after the question': asked((channel) => (channel.exit(0), channel.end())),
  'has a job live without end': asked((channel) => flood(channel.stderr, Buffer.from('FW1 alive\n'), 100)),
  'claims more log than it sends': asked((channel) => {
    channel.stderr.write('FW1 started\nFW1 end exit 0 log=99999999999 cut=0\n');
    channel.exit(0);
    channel.end();
  }),
  'floods the log of a job': asked((channel) => {
    channel.stderr.write('FW1 started\n');
    flood(channel, BABBLE);
  }),
  'says what no host says of a job': asked((channel) => {
    channel.stderr.write(
      `FW1 end \u001b[2J exit NaN\nFW1 error full \u001b]0;owned\u0007${'x'.repeat(30_000)}\n${'FW1 '.repeat(4000)}`,
    );
    channel.exit(1);
    channel.end();
  }),
} as const satisfies Record<string, ((channel: ServerChannel, command: string) => unknown) | undefined>;

/** Escape sequences, broken UTF-8, what looks like words and marks of ours, and no line that ends. */
const BABBLE = Buffer.concat([
  Buffer.from('\u001b[2J\u001b]0;owned\u0007\u202eFW1 end exit 0 log=0 cut=0 0123456789abcdef0123456789abcdef 0 '),
  Buffer.from([0xff, 0xfe, 0xc0, 0x80, 0x00, 0xed, 0xa0, 0x80]),
  Buffer.alloc(8_192, 'a'),
]);

export type Lie = keyof typeof SOCKETS | keyof typeof SESSIONS;
export const LIES = [...Object.keys(SOCKETS), ...Object.keys(SESSIONS)] as readonly Lie[];
export const SOCKET_LIES = Object.keys(SOCKETS) as readonly (keyof typeof SOCKETS)[];

export interface Liar {
  readonly target: Target;
  /** Bytes that it has sent of a flood. */
  readonly sent: number;
  close(): void;
}

let sent = 0;

/** A host that lies, on a free port of the loopback. */
export async function createLiar(lie: Lie): Promise<Liar> {
  sent = 0;
  const open = new Set<{ destroy?: () => void; end(): void }>();
  const server = lie in SOCKETS ? net.createServer() : new ssh2.Server({ hostKeys: [KEY.private] });
  server.on('connection', (client: net.Socket & ssh2.Connection) => {
    open.add(client);
    client.on('error', () => {}).on('close', () => open.delete(client));
    if (lie in SOCKETS) SOCKETS[lie as keyof typeof SOCKETS](client);
    else serve(client, lie as keyof typeof SESSIONS);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', () => resolve()));
  const address = server.address();
  const port = typeof address === 'object' && address ? address.port : 0;
  return {
    target: { name: 'liar', address: '127.0.0.1', port, user: 'vagrant', password: 'any' },
    get sent() {
      return sent;
    },
    close: () => {
      for (const client of open) client.end();
      for (const client of open) client.destroy?.();
      server.close();
    },
  };
}

const KEY = keyPair('ed25519');

function serve(client: ssh2.Connection, lie: keyof typeof SESSIONS): void {
  client.on('authentication', (context) => context.accept());
  client.on('ready', () => {
    if (lie === 'hangs up after the login') client.end();
  });
  client.on('session', (accept, reject) => {
    if (lie === 'refuses channels') return reject();
    const act = SESSIONS[lie];
    if (!act) return;
    accept().on('exec', (accepted, _reject, { command }) => {
      const channel = accepted();
      channel.on('error', () => {});
      act(channel, command);
    });
  });
}

/** Gives the shell that is waited for, and acts once it has been sent a program, whose nonce it knows. */
function asked(act: (channel: ServerChannel, nonce: string) => void) {
  return (channel: ServerChannel, command: string): void => {
    channel.stderr.write(`${/fw-\w+-ready/.exec(command)?.[0] ?? ''}\n`);
    let program = '';
    channel.on('data', (chunk: Buffer) => {
      const isFirst = program === '';
      program += chunk.toString();
      if (isFirst) setTimeout(() => act(channel, /[0-9a-f]{32}/.exec(program)?.[0] ?? ''), 50);
    });
  };
}

interface Writer {
  write(chunk: Buffer): boolean;
  once(event: 'drain', listener: () => void): unknown;
  on(event: 'close', listener: () => void): unknown;
  readonly writable?: boolean;
}

/** As much as the other side takes, or a piece every `pause` milliseconds. */
function flood(to: Writer, piece: Buffer, pause?: number): void {
  let isOver = false;
  to.on('close', () => {
    isOver = true;
  });
  const more = () => {
    for (let n = 0; n < 64; n++) {
      if (isOver || to.writable === false) return;
      sent += piece.length;
      const hasRoom = to.write(piece);
      if (pause !== undefined) return void setTimeout(more, pause);
      if (!hasRoom) return void to.once('drain', more);
    }
    setImmediate(more);
  };
  more();
}
