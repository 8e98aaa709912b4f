import { CommanderError } from 'commander';
import { describe, expect, it } from 'vitest';
import { BflyError } from '../../protocol/errors.ts';
import type { ConnectOptions } from '../../src/commands/context.ts';
import { exitCodeOf, faultLine } from '../../src/commands/fault.ts';
import type { IngestOptions } from '../../src/ingest/ingest-volume.ts';
import { RemoteVolume } from './remote-volume.ts';
import { run } from './terminal.ts';

const COMMANDS = [
  ...['serve', 'discover', 'ingest', 'ls', 'info', 'pull', 'unique', 'edit', 'watch', 'history', 'export', 'import'],
  ...['backup', 'restore', 'verify', 'token'],
];

const volume = (): RemoteVolume => new RemoteVolume('uint64', [3, 2, 2], [4, 4, 4], [0, 0, 0], 'segmentation');
const remote = (made = volume()) => ({ parts: { connect: async () => made.session } });

describe('bfly', () => {
  it('prints its version and helps on standard output, with 0', async () => {
    expect(await run(['--version'])).toEqual({ code: 0, out: '1.2.3\n', err: '' });
    for (const args of [['--help'], ['help'], ...COMMANDS.map((name) => [name, '--help'])]) {
      const { code, out, err } = await run(args);
      expect([code, err]).toEqual([0, '']);
      expect(out).toMatch(/^Usage: bfly /);
      expect(out).toContain('Examples:');
      expect(out.split('\n').filter((line) => line.length > 110)).toEqual([]);
    }
  });

  it.each([
    [['pull'], "missing required argument 'url'; see bfly pull --help"],
    [['pull', 'a', 'b', '--bix', '1'], "unknown option '--bix' (Did you mean --box?); see bfly pull --help"],
    [['pull', 'a', 'b', '--box', '1,2,3'], 'It is x0,y0,z0,x1,y1,z1 in whole voxels'],
    [['pull', 'a', 'b', '--box', '0,0,0,0,1,1'], 'with x0 < x1 and so on'],
    [['pull', 'a', 'b', '--mip', '-1'], 'It is a whole number from 0 up, 0 being the finest level'],
    [['pull', 'a', 'b', '-o', 'x.jpg'], 'It ends in one of .npy, .raw, .png, .tif, .tiff'],
    [['serve', '--port', '65536'], 'It is a port from 0 to 65535'],
    [['serve', '--transport', 'tcp'], 'Allowed choices are auto, uws, ws'],
    [['serve', '--log-level', 'loud'], 'It is one of debug, info, warn, error, silent'],
    [['ingest', 'a', 'b', '--voxel', '4,4'], 'It is x,y,z in nanometres, each above 0, such as 4,4,30'],
    [['ls', 'a', 'b', 'c'], "too many arguments for 'ls'"],
  ])('answers %j with one line and 2', async (args, message) => {
    const { code, out, err } = await run(args);
    expect([code, out]).toEqual([2, '']);
    expect(err).toContain(message);
    expect(err).toMatch(/^bfly: [^\n]+; see bfly \w+ --help\n$/);
  });

  it('shows the stack of an error only with --log-level debug', async () => {
    const failing = { parts: { connect: () => Promise.reject(new Error('a bug', { cause: new Error('its cause') })) } };
    expect(await run(['ls', 'host:1'], failing)).toMatchObject({
      code: 1,
      err: 'bfly: an error inside Butterfly: a bug (--log-level debug shows where)\n',
    });
    const { err } = await run(['ls', 'host:1', '--log-level', 'debug'], failing);
    expect(err).toMatch(/Error: a bug\n +at .*\ncaused by Error: its cause\n/s);
  });
});

describe('the line for an error', () => {
  const system = (code: string, more: object = {}): Error =>
    Object.assign(new Error(`${code} /secret`), { code, ...more });

  it('says what to do', () => {
    expect(faultLine(system('EADDRINUSE', { port: 2001 }))).toBe(
      'port 2001 is in use; choose another with --port, or --port 0 for any',
    );
    expect(faultLine(system('EACCES', { port: 80 }))).toBe(
      'no permission to listen on port 80; choose one from 1024 up with --port',
    );
    expect(faultLine(new Error('lost', { cause: system('ECONNREFUSED') }))).toContain('start one with: bfly serve');
    expect(faultLine(system('ENOSPC'))).toBe('the disk is full');
    expect(
      faultLine(new BflyError('NOT_FOUND', 'there is\n no "a"', { cause: system('ENOENT', { path: '/x' }) })),
    ).toBe('there is no "a"');
    expect(faultLine('what')).toBe('an error inside Butterfly: what (--log-level debug shows where)');
  });

  it('has an exit code', () => {
    expect(exitCodeOf(new BflyError('NOT_FOUND', ''))).toBe(1);
    expect(exitCodeOf(new CommanderError(1, 'commander.unknownOption', 'error: x'))).toBe(2);
    expect(exitCodeOf(new CommanderError(0, 'commander.help', 'x'))).toBe(0);
  });
});

describe('bfly ls', () => {
  it('lists one step, or every channel with what it is; a broken one too', async () => {
    expect((await run(['ls', 'host:1'], remote())).out).toBe('PATH  KIND\ne     experiment\n');
    expect((await run(['ls', 'host:1', '-r'], remote())).out).toBe(
      'PATH        TYPE          DTYPE   SIZE (VOXELS)  VOXEL (NM)\ne/s/d/c     segmentation  uint64  3 × 2 × 2      8 × 8 × 40\ne/s/d/gone  unreadable\n',
    );
  });

  it('speaks JSON', async () => {
    const { out } = await run(['ls', 'host:1', 'e/s/d', '--json'], remote());
    expect(JSON.parse(out)).toEqual([
      {
        path: 'e/s/d/c',
        kind: 'channel',
        type: 'segmentation',
        dtype: 'uint64',
        shape: [3, 2, 2],
        voxel: [8, 8, 40],
        mips: 1,
      },
      { path: 'e/s/d/gone', kind: 'channel' },
    ]);
  });

  it('completes the address, passes the token on and closes the session', async () => {
    const made = volume();
    const asked: [string, ConnectOptions][] = [];
    const connect = async (url: string, options: ConnectOptions) => {
      asked.push([url, options]);
      return made.session;
    };
    for (const url of ['127.0.0.1:2001', 'localhost', 'wss://host/x', 'http://[::1]:2001']) {
      await run(['ls', url, '--token', 't'], { parts: { connect } });
    }
    expect(asked.map(([url]) => url)).toEqual([
      'http://127.0.0.1:2001',
      'http://localhost',
      'wss://host/x',
      'http://[::1]:2001',
    ]);
    expect(asked[0]?.[1]).toEqual({ token: 't', reconnect: false, client: 'bfly/1.2.3' });
    expect(made.closed).toBe(4);
    expect((await run(['ls', 'ftp://host'], { parts: { connect } })).err).toContain('"ftp://host" is no address');
  });

  it('says that no server answers', async () => {
    const connect = () => Promise.reject(new BflyError('UNAVAILABLE', 'the connection to the server was lost'));
    const { code, err } = await run(['ls', 'host:1'], { parts: { connect } });
    expect([code, err]).toEqual([
      1,
      'bfly: no server answers at http://host:1; check host and port, or start one with: bfly serve\n',
    ]);
  });
});

describe('bfly info', () => {
  it('is readable', async () => {
    expect((await run(['info', 'host:1', 'e/s/d/c'], remote())).out).toBe(`e/s/d/c
  type          segmentation
  dtype         uint64
  size          3 × 2 × 2 voxels, 96 bytes
  voxel         8 × 8 × 40 nm
  largest id    1152921504606846976
  source        test
  encodings     raw
  edits         12, may be edited
  synapse rows  3

  MIP  SIZE (VOXELS)  CHUNK      VOXEL (NM)  OFFSET
    0  3 × 2 × 2      4 × 4 × 4  8 × 8 × 40  0, 0, 0
`);
  });

  it('keeps ids exact in JSON', async () => {
    const info = JSON.parse((await run(['info', 'host:1', 'e/s/d', '--json'], remote())).out);
    expect(info.channels[0]).toMatchObject({
      maxId: '1152921504606846976',
      epoch: '01020304050607ff',
      dtype: 'uint64',
    });
  });

  it('passes on what the server says', async () => {
    expect(await run(['info', 'host:1', 'e/none'], remote())).toMatchObject({
      code: 1,
      err: 'bfly: there is no "e/none"\n',
    });
    expect((await run(['info', 'host:1', 'a/b/c/d/e'], remote())).err).toContain('the path has more than 4 segments');
  });
});

describe('bfly unique', () => {
  it('lists ids one a line', async () => {
    expect((await run(['unique', 'host:1', 'e/s/d/c', '--box', '0,0,0,2,1,2'], remote())).out).toBe('1\n2\n101\n102\n');
    expect((await run(['unique', 'host:1', 'e/s/d/c'], remote())).out.split('\n')).toHaveLength(13);
  });
});

describe('bfly ingest', () => {
  it('hands everything on and tells how far it is', async () => {
    let seen: IngestOptions | undefined;
    const ingestVolume = async (options: IngestOptions): Promise<void> => {
      seen = options;
      options.onProgress({ voxelsDone: 8, voxelsTotal: 8, bytesDone: 64, elapsedMs: 2, level: 1, levels: 2 });
    };
    const args = ['ingest', '/d/em.h5', '/e/s/d/c/', '--type', 'image', '--voxel', '4,4,30', '--data', '/store'];
    const { code, err } = await run(args, { parts: { ingestVolume } });
    expect(code).toBe(0);
    expect(seen).toMatchObject({
      dataDir: '/store',
      source: '/d/em.h5',
      path: 'e/s/d/c',
      type: 'image',
      voxel: [4, 4, 30],
    });
    expect(err).toContain('ingest: 100%, 8 of 8 voxels');
    expect(err).toContain('bfly: 8 voxels ingested as e/s/d/c');
  });

  it('says of a volume that is complete that there was nothing to do, and ends with 0', async () => {
    const parts = { ingestVolume: async (): Promise<void> => {} };
    const args = ['ingest', 'a.h5', 'e/s/d/c', '--data', 'store'];
    const nothing = 'bfly: e/s/d/c is already complete in store; there was nothing to do\n';
    expect(await run(args, { parts })).toEqual({ code: 0, out: '', err: nothing });
    const { code, err } = await run([...args, '--voxel', '4,4,30'], { parts });
    expect(code).toBe(0);
    expect(err).toContain(`${nothing}bfly: its voxel size stays as it was; `);
  });

  it('stops at a signal with 130 and says how to go on', async () => {
    const ingestVolume = async ({ signal }: IngestOptions): Promise<void> => signal.throwIfAborted();
    const { code, err } = await run(['ingest', 'a', 'e/s/d/c'], {
      parts: { ingestVolume },
      onListen: (interrupt) => interrupt(),
    });
    expect([code, err]).toEqual([130, 'bfly: interrupted; the same command goes on where it was\n']);
  });
});
