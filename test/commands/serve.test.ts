import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { BflyError } from '../../protocol/errors.ts';
import type { RunningServer, ServerOptions } from '../../src/commands/context.ts';
import { describeSkipped } from '../../src/commands/discover.ts';
import { servedFrom } from '../../src/commands/kept-edits.ts';
import { planServer, type ServeOptions } from '../../src/commands/serve-plan.ts';
import type { FoundVolume } from '../../src/image/source.ts';
import { NO_FORMAT } from '../../src/ingest/discover.ts';
import type { KeptEdits } from '../../src/ingest/edited-paths.ts';
import { catalogueChannels } from '../../src/utility/config.ts';
import { run } from './terminal.ts';

let top = '';
const at = (file: string): string => path.join(top, file);
beforeEach(async () => {
  top = await mkdtemp(path.join(tmpdir(), 'bfly-serve-'));
  await mkdir(at('data/ds'), { recursive: true });
  await writeFile(at('data/ds/a.h5'), '');
  await writeFile(at('data/ds/stack.json'), '{"filename": "a.h5", "dataset-path": "main"}');
  await writeFile(at('fly.yaml'), yaml('configured', 'port: 2017, max-cache-size: 8, max-block-size: 2'));
  await writeFile(at('fly.json'), '{"experiments": [{"name": "j", "samples": []}]}');
});
afterEach(() => rm(top, { recursive: true }));

const yaml = (name: string, settings = 'port: 4'): string =>
  `bfly: {${settings}, experiments: [{name: ${name}, samples: [{name: s, datasets: [{name: d, channels: [{name: c, path: /c}]}]}]}]}`;

async function findVolumes(file: string): Promise<readonly FoundVolume[] | undefined> {
  if (file.endsWith('away')) throw new BflyError('UNAVAILABLE', 'the server of "away" is away');
  if (file.endsWith('none')) throw new BflyError('NOT_FOUND', 'there is no file or folder "none"');
  return /\.(h5|json)$/.test(file) ? [{ spec: { path: file }, name: 'a', kind: 'test' }] : undefined;
}

const plan = (sources: readonly string[], options: ServeOptions = {}) =>
  planServer(sources, options, { findVolumes, env: {}, home: top });
const paths = async (sources: readonly string[], options?: ServeOptions): Promise<string[]> =>
  catalogueChannels((await plan(sources, options)).server.catalogue).map((channel) => channel.path);

describe('the plan of a server', () => {
  it('has defaults', async () => {
    const { server, logLevel, warnings } = await plan([at('data')]);
    expect({ ...server, catalogue: undefined, logLevel, warnings }).toEqual({
      host: '127.0.0.1',
      port: 2001,
      dataDir: path.resolve('.bfly'),
      transport: 'auto',
      cacheBytes: 2 ** 30,
      demo: false,
      allowedPaths: ['/'],
      catalogue: undefined,
      logLevel: 'info',
      warnings: [],
    });
  });

  it('takes folders, volumes and configurations together', async () => {
    expect(await paths([at('data')])).toEqual(['root/data/ds/a.h5', 'root/data/ds/stack.json']);
    expect(await paths([at('data/ds/a.h5')])).toEqual(['root/root/ds/a.h5']);
    expect(await paths([at('fly.yaml')])).toEqual(['configured/s/d/c']);
    expect(await paths([at('data/ds/a.h5'), at('fly.yaml'), at('data/ds/stack.json')])).toEqual([
      'root/root/ds/a.h5',
      'root/root/ds/stack.json',
      'configured/s/d/c',
    ]);
    expect((await plan([at('fly.json')])).server.catalogue.experiments).toEqual([{ name: 'j', samples: [] }]);
  });

  it('takes -e as a configuration or a folder', async () => {
    expect(await paths([], { exp: at('fly.yaml') })).toEqual(['configured/s/d/c']);
    expect(await paths([], { exp: at('data') })).toEqual(['root/data/ds/a.h5', 'root/data/ds/stack.json']);
    await expect(plan([], { exp: at('none') })).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });

  it('takes a number alone as the port, as Butterfly did', async () => {
    expect((await plan(['2017', at('data')])).server.port).toBe(2017);
    await expect(plan(['70000'])).rejects.toMatchObject({ code: 'BAD_REQUEST' });
  });

  it('serves the usual configuration where nothing is named, and always has its settings', async () => {
    await writeFile(at('.rh-config.yaml'), yaml('usual', 'port: 5, host: 0.0.0.0, colour: red'));
    expect(await paths([])).toEqual(['usual/s/d/c']);
    expect(await paths([], { demo: true })).toEqual([]);
    const named = await plan([at('fly.yaml')]);
    expect(catalogueChannels(named.server.catalogue).map((channel) => channel.path)).toEqual(['configured/s/d/c']);
    expect([named.server.port, named.server.host, named.warnings]).toEqual([2017, '0.0.0.0', []]);
    expect((await plan([])).warnings).toEqual([expect.stringContaining('bfly.colour is not a key')]);
  });

  it('puts the command line before the file', async () => {
    const file = await plan([at('fly.yaml')]);
    expect([file.server.port, file.server.cacheBytes, file.server.maxBlockBytes]).toEqual([
      2017,
      8 * 2 ** 20,
      2 * 2 ** 20,
    ]);
    const line = await plan([at('fly.yaml')], {
      port: 0,
      cacheMb: 1,
      data: '/store',
      logLevel: 'error',
      transport: 'ws',
    });
    expect(line.server).toMatchObject({ port: 0, cacheBytes: 2 ** 20, dataDir: '/store', transport: 'ws' });
    expect(line.logLevel).toBe('error');
  });

  it('goes on without a machine that is away, with what the store has of its volumes; a file that is away is a fault', async () => {
    const { server, warnings } = await plan([at('data/ds/a.h5'), 'precomputed://http://host/em/away']);
    expect(catalogueChannels(server.catalogue).map((channel) => channel.path)).toEqual(['root/root/ds/a.h5']);
    expect(server.away).toEqual(['http://host/em/away']);
    expect(warnings).toEqual(['the server of "away" is away; what was read of it before is served']);
    await expect(plan([at('away')])).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  });

  it('says what a word is not', async () => {
    await expect(plan(['none'])).rejects.toThrow('"none" is no command, file or folder; see bfly --help');
  });

  it('names broken files, and counts in one line what no format takes', () => {
    const unknown = (path: string) => ({ path, reason: NO_FORMAT });
    const broken = Array.from({ length: 25 }, (_, i) => ({ path: `/b${i}.h5`, reason: 'cut off' }));
    expect(describeSkipped({ experiments: [], skipped: [unknown('/a.nii')] })).toEqual([
      `skipped /a.nii: ${NO_FORMAT}`,
    ]);
    const lines = describeSkipped({
      experiments: [],
      skipped: [unknown('/a.nii.gz'), ...broken, unknown('/x.y/b.zarr'), unknown('/c.NII.gz')],
    });
    expect(lines).toHaveLength(22);
    expect([lines[0], ...lines.slice(-2)]).toEqual([
      'skipped /b0.h5: cut off',
      'skipped 5 more',
      'skipped 3 files and folders that no format takes: 2 .nii.gz, 1 .zarr',
    ]);
  });

  it('counts what is of a format that is not served, by format, and names what is alone', () => {
    const n5 = { name: 'N5', thing: 'folder', advice: 'not served yet' } as const;
    const nifti = { name: 'NIfTI', thing: 'file', advice: 'not served yet' } as const;
    const of = (format: typeof n5 | typeof nifti, path: string) => ({ path, reason: 'told by its format', format });
    const skipped = [of(n5, '/a'), { path: '/b.h5', reason: 'cut off' }, of(nifti, '/c.nii'), of(n5, '/d')];
    expect(describeSkipped({ experiments: [], skipped })).toEqual([
      'skipped /b.h5: cut off',
      '2 folders of N5 skipped: not served yet',
      '1 file of NIfTI skipped: not served yet (/c.nii)',
    ]);
  });

  it('names the datasets of a served file that are skipped', () => {
    const skipped = [{ path: '/a.h5', reason: '"t" has 2 dimensions', datasets: ['t'] }];
    expect(describeSkipped({ experiments: [], skipped })).toEqual(['skipped 1 dataset of /a.h5: "t" has 2 dimensions']);
  });

  it('warns of folders without volumes', async () => {
    await mkdir(at('empty'));
    expect((await plan([at('empty')])).warnings).toEqual([`no volume was found in ${at('empty')}`]);
  });
});

describe('bfly serve', () => {
  function fakeServer(channels: number, keptEdits: readonly KeptEdits[] = [], viewer = false) {
    const seen: { options?: ServerOptions; stopped: number } = { stopped: 0 };
    const startServer = async (options: ServerOptions): Promise<RunningServer> => {
      seen.options = options;
      const stop = async (): Promise<void> => {
        seen.stopped++;
      };
      const url = `http://${options.host}:2001`;
      return { url, port: 2001, transport: 'ws', viewer, channels, keptEdits, stop };
    };
    return { seen, startServer };
  }

  it('says one line when it listens, and stops with 0 at a signal', async () => {
    const { seen, startServer } = fakeServer(2);
    const { code, out, err } = await run(['serve', at('data')], {
      parts: { startServer, findVolumes },
      onListen: (interrupt) => interrupt(),
    });
    expect([code, out, err]).toEqual([0, 'bfly listening on http://127.0.0.1:2001 (ws), 2 channels\n', '']);
    expect(seen.stopped).toBe(1);
  });

  describe('where its page is', () => {
    const open = async (...args: string[]): Promise<string> => {
      const { startServer } = fakeServer(2, [], true);
      const { out } = await run(['serve', at('data'), ...args], {
        parts: { startServer, findVolumes },
        onListen: (interrupt) => interrupt(),
      });
      const [first, second = '', ...others] = out.split('\n');
      expect([first?.startsWith('bfly listening on '), others]).toEqual([true, ['']]);
      return second;
    };

    it('is one line, to be opened as it stands', async () => {
      expect(await open()).toBe('open http://127.0.0.1:2001/');
      expect(await open('--host', 'em.example.org')).toBe('open http://em.example.org:2001/');
      expect(await open('--host', '::1')).toBe('open http://[::1]:2001/');
    });

    it('is an address that can be opened where it listens to all networks', async () => {
      for (const host of ['0.0.0.0', '::'])
        expect(await open('--host', host, '--open')).toBe(
          `open http://localhost:2001/ (http://${hostname()}:2001/ from other machines)`,
        );
    });

    it('says how a token gets in where one is needed, and never shows one', async () => {
      expect(await open('--auth', 'auth.yaml')).toBe(
        'open http://127.0.0.1:2001/; it asks for a token, or takes it from a link: …/#token=TOKEN',
      );
    });

    it('names a proxy that is told of', async () => {
      expect(await open('--origin', 'https://em.example.org', '--origin', '*')).toBe(
        'open http://127.0.0.1:2001/ (https://em.example.org where its proxy has it)',
      );
    });
  });

  it('lets pages of the origins connect that are named, and takes nothing else for one', async () => {
    const { seen, startServer } = fakeServer(1);
    const serve = (...args: string[]) =>
      run(['serve', at('data'), ...args], {
        parts: { startServer, findVolumes },
        onListen: (interrupt) => interrupt(),
      });
    await serve('--origin', 'https://A.example/', '--origin', 'http://b:8080');
    expect(seen.options?.allowedOrigins).toEqual(['https://a.example', 'http://b:8080']);
    await serve();
    expect(seen.options?.allowedOrigins).toBeUndefined();
    for (const wrong of ['a.example', 'https://a.example/bfly', 'ftp://a', 'https://a;b', 'https://[z', 'null', '']) {
      const { code, err } = await serve('--origin', wrong);
      expect([wrong, code, err]).toEqual([wrong, 2, expect.stringContaining('It is scheme and host, and no path')]);
    }
  });

  it('counts one channel as one', async () => {
    const options = { onListen: (interrupt: () => void) => interrupt() };
    const { out } = await run(['serve', at('data')], { ...options, parts: { ...fakeServer(1), findVolumes } });
    expect(out).toBe('bfly listening on http://127.0.0.1:2001 (ws), 1 channel\n');
    await run(['discover', at('data/ds/a.h5'), '-o', at('one.yaml')], { parts: { findVolumes } });
    const { err } = await run(['discover', at('data/ds/a.h5'), '--force', '-o', at('one.yaml')], {
      parts: { findVolumes },
    });
    expect(err).toBe(`bfly: 1 channel written to ${at('one.yaml')}\n`);
  });

  it('tells of edits whose paths are not served, and what to serve to see them', async () => {
    const there = at('data/ds/a.h5');
    const kept: KeptEdits[] = [
      { path: 'root/data/ds/a.h5', edits: 2, source: there },
      { path: 'root/data/other/b.h5', edits: 1, source: there },
      { path: 'root/root/ds/a.h5', edits: 1, source: there },
      { path: 'fly/s/d/c', edits: 1_000, source: there },
      { path: 'root/old/ds/gone.h5', edits: 3, source: '/x/old/ds/gone.h5' },
      { path: 'demo/cortex/cube/em', edits: 1 },
    ];
    const { err } = await run(['serve', at('data')], {
      parts: { ...fakeServer(2, kept), findVolumes },
      onListen: (interrupt) => interrupt(),
    });
    const keeps = 'bfly: the store keeps';
    expect(err.split('\n')).toEqual([
      `${keeps} 3 edits of 2 paths that are not served (root/data/ds/a.h5, root/data/other/b.h5); to see them, serve ${at('data')} as well`,
      `${keeps} 1 edit of root/root/ds/a.h5, which is not served; to see them, serve ${there} as well`,
      `${keeps} 1,000 edits of fly/s/d/c, which is not served; to see them, serve the configuration that calls ${there} so`,
      `${keeps} 3 edits of root/old/ds/gone.h5, which is not served; its data are no longer in /x/old: serve them from where they are now, under the same path`,
      `${keeps} 1 edit of demo/cortex/cube/em, which is not served; add --demo to see them`,
      '',
    ]);
  });

  it.each(['data/a.h5', 'data/ds/a.h5', 'data/s/ds/a.h5', 'data/e/s/ds/a.h5', 'data/e/s/x/ds/a.h5'])(
    'finds from the path of %s the folder that was served',
    async (file) => {
      await rm(at('data'), { recursive: true });
      await mkdir(path.dirname(at(file)), { recursive: true });
      await writeFile(at(file), '');
      const [channel = ''] = await paths([at('data')]);
      const place = servedFrom(channel, at(file)) ?? '';
      expect(await paths([place])).toEqual([channel]);
      expect(at('data').startsWith(place) || place === at(file)).toBe(true);
    },
  );

  it('is what bfly does without a command', async () => {
    const { seen, startServer } = fakeServer(0);
    const { code, err } = await run(['2017'], { parts: { startServer }, onListen: (interrupt) => interrupt() });
    expect([code, seen.options?.port]).toEqual([0, 2017]);
    expect(err).toContain('there is nothing to show yet; try bfly serve FOLDER, or bfly serve --demo');
  });

  it('waits for the signal', async () => {
    const { seen, startServer } = fakeServer(1);
    let interrupt = (): void => {};
    let isOver = false;
    const over = run(['serve', at('data')], {
      parts: { startServer, findVolumes },
      onListen: (stop) => (interrupt = stop),
    }).then(() => {
      isOver = true;
    });
    while (seen.options === undefined) await new Promise(setImmediate);
    await new Promise(setImmediate);
    expect([isOver, seen.stopped]).toEqual([false, 0]);
    interrupt();
    await over;
    expect(seen.stopped).toBe(1);
  });

  it('tells with --demo what to try', async () => {
    const { seen, startServer } = fakeServer(2);
    const { out } = await run(['serve', '--demo'], { parts: { startServer }, onListen: (interrupt) => interrupt() });
    expect(seen.options?.demo).toBe(true);
    expect(out).toMatch(
      /^bfly listening on .*\n\nTry next, in another terminal:\n {2}npx bfly ls http:\/\/127.0.0.1:2001 -r\n/,
    );
    expect(out).toMatch(/npx bfly pull http:\/\/127.0.0.1:2001 \S+ --box 0,0,64,512,512,65 -o slice.png\n/);
  });

  it('writes with -o a configuration that -e serves alike', async () => {
    const parts = { findVolumes, ...fakeServer(2) };
    await run(['-e', at('data'), '-o', at('out.yaml')], { parts, onListen: (interrupt) => interrupt() });
    expect(await readFile(at('out.yaml'), 'utf8')).toContain('name: root');
    expect(await paths([], { exp: at('out.yaml') })).toEqual(await paths([at('data')]));
  });

  it('says that the port is taken', async () => {
    const startServer = () => Promise.reject(Object.assign(new Error('listen'), { code: 'EADDRINUSE', port: 2001 }));
    const { code, err } = await run(['serve', at('data')], { parts: { startServer, findVolumes } });
    expect([code, err]).toEqual([1, 'bfly: port 2001 is in use; choose another with --port, or --port 0 for any\n']);
  });
});
