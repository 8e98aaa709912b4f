/** N5: folders here or on a server. Blocks are read as they are asked for. */
import { BflyError } from '../../protocol/errors.ts';
import { alongSpace, chosenIndices, datasetsOf, splitDataset } from './axis-choice.ts';
import type { ByteStore } from './byte-store.ts';
import { type ChunkedLevel, ChunkedSource, levelOfChunks } from './chunked-source.ts';
import { isN5Dataset, N5Blocks } from './n5-dataset.ts';
import { findN5Volumes, type N5Finding, type N5Node, type N5Volume, readN5Node, readN5Volume } from './n5-volumes.ts';
import { isInside, joinPath } from './name-path.ts';
import { overByteStore, withByteStore } from './open-byte-store.ts';
import type { FoundVolume, Source, SourceFormat, SourceSpec } from './source.ts';
import { volumeName } from './volume-name.ts';
import { guessVolumeType } from './voxel-type.ts';

const KIND = 'n5';
const MAX_NAMES = 8;
/** What containers are called. */
const CONTAINER = /\.n5$/i;

/** Containers, groups and datasets of N5; a volume is a dataset, or the levels s0, s1, … of a group. */
export const n5Format: SourceFormat = {
  kind: KIND,
  find: (path: string): Promise<readonly FoundVolume[] | undefined> =>
    withByteStore(path, async (store) => {
      const root = await readRoot(store, path);
      if (root === undefined) return undefined;
      const findings = await findN5Volumes(store, root);
      const datasets = findings.flatMap((finding) => ('volume' in finding ? datasetsOf(finding.volume) : []));
      if (datasets.length === 0) throw nothingServable(store, findings);
      return datasets.map((dataset) => ({
        spec: dataset === '' ? { path } : { path, dataset },
        name: volumeName(path, dataset === '' || datasets.length === 1 ? undefined : dataset),
        kind: KIND,
      }));
    }),
  takes: async (path: string): Promise<boolean> =>
    (await withByteStore(path, (store) => readRoot(store, path))) !== undefined,
  open: (spec: SourceSpec): Promise<Source> => overByteStore(spec, (store) => openVolume(store, spec.dataset)),
};

/** Other things have a file of this name, too: it must be a container, a dataset or a pyramid. Containers need have none. */
async function readRoot(store: ByteStore, path: string): Promise<N5Node | undefined> {
  const root = await readN5Node(store, '').catch((error: unknown) => {
    if (store.isRemote || CONTAINER.test(path)) throw error;
    return undefined;
  });
  if (root === undefined && CONTAINER.test(path) && !store.isRemote)
    return { path: '', json: {}, file: store.name, stamp: '-' };
  if (root === undefined && store.refused)
    throw new BflyError('UNSUPPORTED', 'the server refuses (403) to give attributes.json, if there is one');
  if (root === undefined || root.json['n5'] !== undefined || isN5Dataset(root.json)) return root;
  const finest = await readN5Node(store, 's0');
  return finest !== undefined && isN5Dataset(finest.json) ? root : undefined;
}

async function openVolume(store: ByteStore, dataset: string | undefined): Promise<Source> {
  const { path, choice } = splitDataset(dataset);
  const volume = await volumeNamed(store, path);
  const what = volume.path === '' ? store.name : `"${volume.path}" of ${store.name}`;
  const indices = chosenIndices(volume.extra, choice, what);
  const dtype = volume.levels[0]?.info.type.dtype ?? 'uint8';
  return new ChunkedSource(
    {
      kind: KIND,
      type: guessVolumeType(dtype),
      dtype,
      voxelKnown: volume.voxelKnown,
      fingerprint: [KIND, joinPath(volume.path, indices.join(',')), ...volume.stamps].join(':'),
    },
    volume.levels.map((level) => chunkedLevel(store, volume, level, indices)),
    () => store.close(),
  );
}

async function volumeNamed(store: ByteStore, path: string): Promise<N5Volume> {
  const node = isInside(path) ? await readN5Node(store, path) : undefined;
  const group = node ?? { path, json: {}, file: store.name, stamp: '-' };
  const volume = isInside(path) ? await readN5Volume(store, group) : undefined;
  if (volume !== undefined) return volume;
  const findings = isInside(path) ? await findN5Volumes(store, group) : [];
  const volumes = findings.flatMap((finding) => ('volume' in finding ? [finding.volume] : []));
  const [only] = volumes;
  if (only !== undefined && volumes.length === 1) return only;
  if (only === undefined && path === '') throw nothingServable(store, findings);
  const names = volumes.slice(0, MAX_NAMES).map((one) => one.path);
  throw new BflyError(
    'NOT_FOUND',
    only === undefined
      ? `${store.name} has no dataset "${path}"`
      : `${store.name} holds ${volumes.length} volumes there: name one as the dataset, of ${names.join(', ')}`,
  );
}

function chunkedLevel(
  store: ByteStore,
  { roles }: N5Volume,
  { path, info, place }: N5Volume['levels'][number],
  indices: readonly number[],
): ChunkedLevel {
  const blocks = new N5Blocks(store, path, info, roles, indices);
  return {
    mip: levelOfChunks(alongSpace(roles, info.shape), alongSpace(roles, info.block), place),
    load: (index, clipped) => blocks.read(index, clipped),
    nameOf: (index) => joinPath(path, blocks.nameOf(index)),
  };
}

function nothingServable(store: ByteStore, findings: readonly N5Finding[]): BflyError {
  const faults = findings.flatMap((finding) => ('fault' in finding ? [finding.fault] : []));
  const unlisted = store.isRemote ? '; over HTTP the address of a dataset or of its group would be right' : '';
  const told = faults.slice(0, MAX_NAMES).join('; ') || `there are no datasets in it${unlisted}`;
  return new BflyError('UNSUPPORTED', `${store.name} holds no volume that can be served: ${told}`);
}
