import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BflyError } from '../../protocol/errors.ts';
import { pathSegmentFault } from '../../protocol/volume.ts';
import { legalName, mergeCatalogues, nameSiblings } from '../../src/utility/catalogue.ts';
import {
  type Catalogue,
  type Config,
  catalogueChannels,
  isConfigText,
  parseConfig,
  readConfig,
  writeCatalogueYaml,
} from '../../src/utility/config.ts';

const PLACE = { file: 'fly.yaml', folder: '/srv/fly', home: '/home/ann' };
const read = (text: string): Config => parseConfig(text, PLACE);
const faultOf = (text: string): BflyError => {
  try {
    read(text);
  } catch (error) {
    if (error instanceof BflyError) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
};
const channelYaml = (lines: string): string =>
  `bfly:\n  experiments:\n  - name: e\n    samples:\n    - name: s\n      datasets:\n      - name: d\n        channels:\n        - name: c\n          path: /d/c.h5\n${lines}`;
const onlyChannel = (text: string) => catalogueChannels(read(text).catalogue)[0]?.config;

describe('a configuration', () => {
  it('gives each channel its path on the wire', () => {
    expect(catalogueChannels(read(channelYaml('')).catalogue).map(({ path }) => path)).toEqual(['e/s/d/c']);
  });

  it('keeps names as the text that stands there', () => {
    const names = ['off', 'yes', '2017', '1.10', '0x1F', 'null', '1e3', 'true', '2001-01-01'];
    const channels = names.map((name) => `        - {name: ${name}, path: /d/${name}}\n`).join('');
    const text = `bfly:\n  experiments:\n  - name: off\n    samples:\n    - name: 12\n      datasets:\n      - name: no\n        channels:\n${channels}`;
    const found = catalogueChannels(read(text).catalogue);
    expect(found.map(({ config }) => config.name)).toEqual(names);
    expect(found[0]?.path).toBe('off/12/no/off');
  });

  it('makes paths absolute against its own folder and the home folder', () => {
    const text = channelYaml('          dpath: ../tables\n').replace('/d/c.h5', '~/c.h5');
    expect(onlyChannel(text)).toEqual({ name: 'c', path: '/home/ann/c.h5', dpath: '/srv/tables' });
    expect(onlyChannel(channelYaml('').replace('/d/c.h5', 'c.h5'))?.path).toBe('/srv/fly/c.h5');
  });

  it('reads offset as z, y, x and the keys of ours as x, y, z', () => {
    const text = channelYaml(
      '          offset: [1, -2, 3]\n          voxel: [4, 5.5, 30]\n          chunk: {z: 16, y: 32, x: 64}\n          type: segmentation\n          dataset: volumes/raw\n',
    );
    expect(onlyChannel(text)).toEqual({
      name: 'c',
      path: '/d/c.h5',
      offset: [3, -2, 1],
      voxel: [4, 5.5, 30],
      chunk: [64, 32, 16],
      type: 'segmentation',
      dataset: 'volumes/raw',
    });
  });

  it('reads the settings', () => {
    const { settings, warnings } = read(
      'bfly:\n  port: 2017\n  host: 0.0.0.0\n  max-cache-size: 2048\n  max-block-size: 0.5\n  allowed-paths:\n  - /data\n  - here\n  edit-path: /e\n  log-level: WARNING\n  data: store\n  transport: ws\n  limits: {requests: 7}\n',
    );
    expect(settings).toEqual({
      port: 2017,
      host: '0.0.0.0',
      maxCacheMiB: 2048,
      maxBlockMiB: 0.5,
      allowedPaths: ['/data', '/srv/fly/here'],
      logLevel: 'warn',
      data: '/srv/fly/store',
      transport: 'ws',
      limits: { requests: 7 },
    });
    // Whoever has edits there is told how to go on.
    expect(warnings).toEqual([expect.stringMatching(/edits are kept in the store.*bfly import --npy/)]);
  });

  it('says that the log is not in log-path, where nobody would look for it in vain', () => {
    const { warnings } = read('bfly: {log-path: /var/log/bfly.log}');
    expect(warnings).toEqual([
      'fly.yaml: the log goes to standard error, not to log-path; bfly serve … 2>> FILE keeps it in a file',
    ]);
    expect(read('bfly: {log-path: }').warnings).toEqual([]);
  });

  it('takes a dataset with channels and path, and one that is split in two items as in the README of Butterfly', () => {
    const whole =
      'bfly: {experiments: [{name: e, samples: [{name: s, datasets: [{name: d, path: /t, channels: [{name: c, path: /c}]}]}]}]}';
    const split = whole
      .replace('name: d, path: /t, channels', 'name: d, channels')
      .replace('path: /c}]}', 'path: /c}]}, {path: /t}');
    const named = split.replace('{path: /t}', '{name: d, path: /t}');
    expect(catalogueChannels(read(whole).catalogue)[0]?.dataset).toMatchObject({ name: 'd', path: '/t' });
    expect(read(split).catalogue).toEqual(read(whole).catalogue);
    expect(read(named).catalogue).toEqual(read(whole).catalogue);
  });

  it('reads the tables of a dataset', () => {
    const text =
      'experiments: [{name: e, samples: [{name: s, datasets: [{name: d, path: t, synapse-connections: a.json, neuron-soma: b.json, first-synapse: 5}]}]}]';
    expect(read(text).catalogue.experiments[0]?.samples[0]?.datasets[0]).toEqual({
      name: 'd',
      path: '/srv/fly/t',
      synapseConnections: 'a.json',
      neuronSoma: 'b.json',
      firstSynapse: 5,
      channels: [],
    });
  });

  it('may have experiments at its top, and be JSON', () => {
    expect(read('{"experiments": [{"name": "e", "samples": []}]}').catalogue.experiments).toEqual([
      { name: 'e', samples: [] },
    ]);
    expect(isConfigText('{"experiments": []}')).toBe(true);
    expect(isConfigText('{"filename": "a.h5", "dataset-path": "main"}')).toBe(false);
  });

  it('warns of unknown keys, and is silent about those of older versions', () => {
    const text = `${channelYaml('          colour: red\n          short-description: x\n')}  developer-mode: no\n  prot: 1\n`;
    expect(read(text).warnings).toEqual([
      'fly.yaml: bfly.experiments[0].samples[0].datasets[0].channels[0].colour is not a key of Butterfly and has no effect',
      'fly.yaml: bfly.prot is not a key of Butterfly and has no effect',
    ]);
  });

  it.each([
    ['bfly: {port: 70000}', 'fly.yaml: bfly.port must be a whole number from 0 to 65535'],
    ['bfly: {port: 2001.5}', 'fly.yaml: bfly.port must be a whole number from 0 to 65535'],
    ['bfly: {log-level: loud}', 'fly.yaml: bfly.log-level must be debug, info, warn, error or silent'],
    ['bfly: {experiments: {name: e}}', 'fly.yaml: bfly.experiments must be a list'],
    ['experiments: [{samples: []}]', 'fly.yaml: experiments[0].name must be a text'],
    ['experiments: [e]', 'fly.yaml: experiments[0] must be a map of keys and values'],
    [
      'experiments: [{name: e, samples: [{name: s, datasets: [{path: /t}]}]}]',
      'fly.yaml: experiments[0].samples[0].datasets[0].name must be a text',
    ],
    [
      channelYaml('          voxel: [4, 4]\n'),
      'channels[0].voxel must be three sizes in nanometres above 0 in the order [x, y, z]',
    ],
    [channelYaml('          voxel: [4, 4, 0]\n'), 'channels[0].voxel must be three sizes'],
    [channelYaml('          type: labels\n'), 'channels[0].type must be image or segmentation'],
    [channelYaml('').replace('path: /d/c.h5', 'comment: x'), 'channels[0].path must be a text'],
    ['bfly: {limits: {wings: 2}}', 'fly.yaml: bfly.limits must be a map with names of limits only: message, bulk'],
    ['bfly: {limits: {requests: 0}}', 'fly.yaml: bfly.limits.requests must be a whole number from 1 up'],
    ['rh_logger: {}', 'fly.yaml must have the key bfly or the key experiments'],
    ['bfly:\n  a: 1\n a: 2', 'fly.yaml is not legal YAML'],
    ['bfly:\n  samples:\n    - name: data\n        datasets: x', 'at line 3, column 13'],
  ])('names file, key and what is legal: %j', (text, message) => {
    const fault = faultOf(text);
    expect(fault.code).toBe('BAD_REQUEST');
    expect(fault.message).toContain(message);
    expect(fault.message).not.toContain('/srv');
    expect(fault.message).not.toContain('\n');
  });

  it('makes names legal and unique, and says so', () => {
    const text = 'experiments: [{name: "a::b/c", samples: []}, {name: e, samples: []}, {name: e, samples: []}]';
    const { catalogue, warnings } = read(text);
    expect(catalogue.experiments.map(({ name }) => name)).toEqual(['a.b.c', 'e', 'e-2']);
    expect(warnings).toHaveLength(2);
    expect(warnings[0]).toContain('"a.b.c"');
    expect(warnings[1]).toContain('"e-2"');
  });

  it('is empty where it is empty', () => {
    for (const text of ['', 'bfly:\n', '# nothing\n', 'bfly:\n  experiments:\n']) {
      expect(read(text).catalogue).toEqual({ experiments: [] });
    }
  });
});

describe('names', () => {
  it('become legal whatever they were, and stay what they are where they were legal', () => {
    fc.assert(
      fc.property(
        fc.oneof(fc.string({ unit: 'binary' }), fc.string({ maxLength: 300 }), fc.constant('é'.repeat(100))),
        (name) => {
          expect(pathSegmentFault(legalName(name))).toBeUndefined();
          if (pathSegmentFault(name) === undefined) expect(legalName(name)).toBe(name);
        },
      ),
    );
  });

  it('are unique among siblings, also where a suffix meets a name or the longest name', () => {
    const long = 'x'.repeat(128);
    const named = nameSiblings([{ name: 'a' }, { name: 'a' }, { name: 'a-2' }, { name: long }, { name: long }]);
    expect(named.map(({ name }) => name)).toEqual(['a', 'a-2', 'a-2-2', long, `${'x'.repeat(126)}-2`]);
  });
});

describe('a catalogue written as YAML', () => {
  const name = fc
    .oneof(
      fc.constantFrom(
        'off',
        'yes',
        '2017',
        '~',
        'null',
        '1e3',
        "it's",
        '"q"',
        '# no',
        '- a',
        '{',
        '&x',
        '<<',
        '\u{1f41d}',
      ),
      fc.string({ unit: 'binary', maxLength: 20 }),
    )
    .map(legalName);
  const vec = fc.tuple(
    fc.integer({ min: 1, max: 99 }),
    fc.integer({ min: 1, max: 99 }),
    fc.integer({ min: 1, max: 99 }),
  );
  const file = name.map((end) => `/data/${end}`);
  const optional = <T extends Record<string, fc.Arbitrary<unknown>>>(model: T) =>
    fc.record(model, { requiredKeys: [] });
  const channel = fc.tuple(
    fc.record({ name, path: file }),
    optional({
      dataset: name,
      type: fc.constantFrom('image', 'segmentation'),
      voxel: vec,
      offset: vec,
      chunk: vec,
      dpath: file,
    }),
  );
  const siblings = <T extends { name: string }>(item: fc.Arbitrary<T>) =>
    fc.array(item, { maxLength: 3 }).map((items) => nameSiblings(items));
  const dataset = fc
    .tuple(
      fc.record({ name, channels: siblings(channel.map(([a, b]) => ({ ...a, ...b }))) }),
      optional({ path: file, synapseConnections: name, neuronSoma: name, firstSynapse: fc.nat() }),
    )
    .map(([a, b]) => ({ ...a, ...b }));
  const catalogue = siblings(fc.record({ name, samples: siblings(fc.record({ name, datasets: siblings(dataset) })) }));

  it('reads back equal, without a warning', () => {
    fc.assert(
      fc.property(catalogue, (experiments) => {
        const config = read(writeCatalogueYaml({ experiments } as Catalogue));
        expect(config.catalogue).toEqual({ experiments });
        expect(config.warnings).toEqual([]);
      }),
      { numRuns: 200 },
    );
  });
});

describe('catalogues that are merged', () => {
  const one = (dataset: object): Catalogue => ({
    experiments: [
      {
        name: 'e',
        samples: [{ name: 's', datasets: [{ name: 'd', channels: [{ name: 'c', path: '/c' }], ...dataset }] }],
      },
    ],
  });

  it('share what is equal and keep apart what is not', () => {
    const merged = mergeCatalogues([
      one({}),
      one({}),
      one({ channels: [{ name: 'c', path: '/other' }] }),
      one({ path: '/t' }),
    ]);
    expect(catalogueChannels(merged).map(({ path, config }) => [path, config.path])).toEqual([
      ['e/s/d/c', '/c'],
      ['e/s/d/c-2', '/other'],
      ['e/s/d-2/c', '/c'],
    ]);
  });
});

describe('the file of a configuration', () => {
  let home = '';
  beforeAll(async () => {
    home = await mkdtemp(path.join(tmpdir(), 'bfly-config-'));
  });
  afterAll(() => rm(home, { recursive: true }));

  it('is the one named, else $RH_CONFIG_FILENAME, else ~/.rh-config.yaml, else nothing', async () => {
    expect((await readConfig({ home, env: {} })).settings).toEqual({});
    await writeFile(path.join(home, '.rh-config.yaml'), 'bfly: {port: 1}');
    await writeFile(path.join(home, 'env.yaml'), 'bfly: {port: 2}');
    await writeFile(path.join(home, 'named.yaml'), 'bfly: {port: 3}');
    const env = { RH_CONFIG_FILENAME: '~/env.yaml' };
    expect((await readConfig({ home, env: {} })).settings.port).toBe(1);
    expect((await readConfig({ home, env })).settings.port).toBe(2);
    expect((await readConfig({ home, env, file: path.join(home, 'named.yaml') })).settings.port).toBe(3);
  });

  it('must exist where it is named, and may belong to other programs where it is not', async () => {
    await expect(readConfig({ home, file: path.join(home, 'none.yaml') })).rejects.toMatchObject({
      code: 'NOT_FOUND',
      message: 'the configuration none.yaml does not exist',
    });
    await writeFile(path.join(home, 'other.yaml'), 'rh_logger: {}');
    const env = { RH_CONFIG_FILENAME: path.join(home, 'other.yaml') };
    expect((await readConfig({ home, env })).settings).toEqual({});
    await expect(readConfig({ home, file: path.join(home, 'other.yaml') })).rejects.toMatchObject({
      code: 'BAD_REQUEST',
    });
  });
});
