import { chmod, mkdir, mkdtemp, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { BflyError } from '../../protocol/errors.ts';
import type { FoundVolume } from '../../src/image/source.ts';
import { discover } from '../../src/ingest/discover.ts';
import { catalogueChannels, parseConfig, writeCatalogueYaml } from '../../src/utility/config.ts';

let top = '';
beforeEach(async () => {
  top = await mkdtemp(path.join(tmpdir(), 'bfly-discover-'));
});
afterEach(() => rm(top, { recursive: true }));

const at = (file: string): string => path.join(top, file);

/** Makes empty files, with the folders above them; a name that ends in / is a folder. */
async function grow(...files: string[]): Promise<void> {
  for (const file of files) {
    await mkdir(file.endsWith('/') ? at(file) : path.dirname(at(file)), { recursive: true });
    if (!file.endsWith('/')) await writeFile(at(file), '');
  }
}

/**
 * Formats in miniature: `.h5` files hold one volume, those called `many…` two; folders with a `.png` are a stack;
 * files called `broken…` throw.
 */
async function find(file: string): Promise<readonly FoundVolume[] | undefined> {
  const name = path.basename(file);
  const one = (dataset?: string): FoundVolume => ({
    spec: dataset === undefined ? { path: file } : { path: file, dataset },
    name: name.replace(/\..*/, ''),
    kind: 'test',
  });
  if (name.startsWith('broken')) throw new Error(`cannot read ${name}`);
  if (name.startsWith('refused')) throw new BflyError('UNSUPPORTED', 'that is too old', { details: { kind: 'test' } });
  if (name.startsWith('many')) return [one('volumes/raw'), one('volumes/labels/ids')];
  if (name.endsWith('.h5') && name !== 'truncated.h5') return [one()];
  const inside = await readdir(file).catch(() => []);
  if (inside.some((slice) => slice.endsWith('.png'))) return [one()];
  if (name.endsWith('.txt')) throw new BflyError('UNSUPPORTED', 'no format takes it');
  return undefined;
}

const channels = async (root: string): Promise<string[]> =>
  catalogueChannels(await discover(at(root), find)).map((channel) => channel.path);

describe('discovery', () => {
  it('maps the tree of the README of Butterfly as the README says', async () => {
    const dense = ['synapse-training.h5', 'neuron-training.h5', 'raw-image.h5'].map((name) => `data/dense/${name}`);
    const excellent = ['synapse', 'neuron'].map((name) => `data/dense/excellent/${name}-segmentation.h5`);
    await grow(...dense, ...excellent);
    expect(await channels('data')).toEqual([
      'root/data/dense/neuron-training.h5',
      'root/data/dense/raw-image.h5',
      'root/data/dense/synapse-training.h5',
      'root/data/excellent/neuron-segmentation.h5',
      'root/data/excellent/synapse-segmentation.h5',
    ]);
    const { experiments } = await discover(at('data'), find);
    expect(experiments[0]?.samples[0]?.datasets.map((dataset) => dataset.path)).toEqual([
      at('data/dense'),
      at('data/dense/excellent'),
    ]);
    expect(catalogueChannels({ experiments })[0]?.config).toEqual({
      name: 'neuron-training.h5',
      path: at('data/dense/neuron-training.h5'),
    });
  });

  it.each([
    ['data/a.h5', 'root/root/data/a.h5'],
    ['data/ds/a.h5', 'root/data/ds/a.h5'],
    ['data/s/ds/a.h5', 'root/data/ds/a.h5'],
    ['data/e/s/ds/a.h5', 'e/s/ds/a.h5'],
    ['data/e/s/x/ds/a.h5', 'e/s/x.ds/a.h5'],
    ['data/e/s/x/y/ds/a.h5', 'e/s/x.y.ds/a.h5'],
  ])('places %s at %s', async (file, wanted) => {
    await grow(file);
    expect(await channels('data')).toEqual([wanted]);
  });

  it('tells datasets of one name apart by the folder above', async () => {
    await grow('data/s1/ds/a.h5', 'data/s2/ds/a.h5', 'data/s2/other/a.h5', 'data/ds/b.h5');
    expect(await channels('data')).toEqual([
      'root/data/ds/b.h5',
      'root/data/other/a.h5',
      'root/data/s1.ds/a.h5',
      'root/data/s2.ds/a.h5',
    ]);
  });

  it('takes a folder of images as one volume and does not look into it', async () => {
    await grow('data/ds/em/1.png', 'data/ds/em/2.png', 'data/ds/em/deeper/x.h5', 'data/ds/a.h5');
    expect(await channels('data')).toEqual(['root/data/ds/a.h5', 'root/data/ds/em']);
  });

  it('treats a file with several volumes as a folder of them', async () => {
    await grow('data/many.h5', 'data/a.h5');
    expect(await channels('data')).toEqual([
      'root/data/many.h5/volumes.labels.ids',
      'root/data/many.h5/volumes.raw',
      'root/root/data/a.h5',
    ]);
    const [first] = catalogueChannels(await discover(at('data'), find));
    expect(first?.config).toEqual({
      name: 'volumes.labels.ids',
      path: at('data/many.h5'),
      dataset: 'volumes/labels/ids',
    });
  });

  it('takes a volume that is given directly, in the dataset of the folder it lies in', async () => {
    await grow('data/ds/a.h5', 'data/ds/many.h5', 'data/ds/em/1.png', 'data/ds/note.txt');
    expect(await channels('data/ds/a.h5')).toEqual(['root/root/ds/a.h5']);
    expect(await channels('data/ds/em')).toEqual(['root/root/ds/em']);
    expect(await channels('data/ds/many.h5')).toEqual(['root/root/ds/volumes.labels.ids', 'root/root/ds/volumes.raw']);
    await expect(discover(at('data/ds/note.txt'), find)).rejects.toMatchObject({ code: 'UNSUPPORTED' });
  });

  it('drops folders without data, hidden entries and other files', async () => {
    await grow('data/empty/deep/', 'data/.hidden/a.h5', 'data/.b.h5', 'data/ds/note.txt', 'data/notes/readme.md');
    expect(await discover(at('data'), find)).toEqual({ experiments: [], skipped: [] });
  });

  it('reports what is broken and goes on', async () => {
    await grow('data/broken.h5', 'data/a.h5', 'data/truncated.h5', 'data/refused/1/a.h5', 'data/broken-folder/b.h5');
    await symlink(at('nowhere'), at('data/dangling'));
    const found = await discover(at('data'), find);
    expect(catalogueChannels(found).map((channel) => channel.path)).toEqual(['root/root/data/a.h5']);
    expect(found.skipped.map(({ path: file, reason }) => [path.basename(file), reason])).toEqual([
      ['broken-folder', 'cannot read broken-folder'],
      ['broken.h5', 'cannot read broken.h5'],
      ['dangling', 'a link to something that does not exist'],
      ['refused', 'that is too old'],
      ['truncated.h5', 'no format takes it'],
    ]);
  });

  it('tells which datasets of a served file cannot be served, also where the file is named', async () => {
    await grow('data/ds/a.h5', 'data/ds/b.h5');
    const refused = ['p', 'q', 'r', 's', 't'].map((dataset) => ({ dataset, fault: 'two dimensions' }));
    const findPartly = async (file: string) => {
      const volumes = await find(file);
      return file.endsWith('a.h5') ? volumes?.map((volume) => ({ ...volume, refused })) : volumes;
    };
    const told = {
      path: at('data/ds/a.h5'),
      reason: '"p" has two dimensions, "q" has two dimensions, "r" has two dimensions, and 2 more',
      datasets: ['p', 'q', 'r', 's', 't'],
    };
    expect((await discover(at('data'), findPartly)).skipped).toEqual([told]);
    expect((await discover(at('data/ds/a.h5'), findPartly)).skipped).toEqual([told]);
  });

  it.skipIf(process.getuid?.() === 0)('reports folders that may not be read', async () => {
    await grow('data/closed/a.h5', 'data/b.h5');
    await chmod(at('data/closed'), 0);
    const found = await discover(at('data'), find);
    await chmod(at('data/closed'), 0o755);
    expect(found.skipped.map(({ reason }) => reason)).toEqual(['no permission to read it']);
  });

  it('survives links that lead in circles, and counts a folder once, by its own place', async () => {
    await grow('data/ds/a.h5', 'outside/b.h5');
    await symlink(at('data'), at('data/aa-loop'));
    await symlink(at('data/ds'), at('data/aa-same'));
    await symlink(at('outside'), at('data/linked'));
    await symlink('self', at('data/self'));
    const found = await discover(at('data'), find);
    expect(catalogueChannels(found).map((channel) => channel.path)).toEqual([
      'root/data/ds/a.h5',
      'root/data/linked/b.h5',
    ]);
    expect(found.skipped.map(({ reason }) => reason)).toEqual(['a link that leads to itself']);
  });

  it('makes names legal and unique', async () => {
    await grow('data/a:b/x.h5', 'data/a.b/x.h5');
    expect(await channels('data')).toEqual(['root/data/a.b/x.h5', 'root/data/a.b-2/x.h5']);
  });

  it('gives a configuration that lists the same when it is read again', async () => {
    await grow('data/dense/raw.h5', 'data/dense/excellent/seg.h5', 'data/many.h5', 'data/e/s/d/off.h5');
    const found = await discover(at('data'), find);
    const again = parseConfig(writeCatalogueYaml(found), { file: 'x.yaml', folder: '/' });
    expect(again.catalogue).toEqual({ experiments: found.experiments });
    expect(again.warnings).toEqual([]);
  });

  it('says what is not there', async () => {
    const missing = (file: string) => {
      throw new BflyError('NOT_FOUND', `there is no file or folder "${path.basename(file)}"`);
    };
    await expect(discover(at('none'), missing)).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });
});
