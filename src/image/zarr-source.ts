/** Zarr of versions 2 and 3, and OME-Zarr in it: folders here or on a server. Chunks are read as they are asked for. */
import { BflyError } from '../../protocol/errors.ts';
import { alongSpace, chosenIndices, datasetsOf, splitDataset } from './axis-choice.ts';
import type { ByteStore } from './byte-store.ts';
import { type ChunkedLevel, ChunkedSource, levelOfChunks } from './chunked-source.ts';
import { isInside, joinPath } from './name-path.ts';
import { overByteStore, withByteStore } from './open-byte-store.ts';
import type { FoundVolume, Source, SourceFormat, SourceSpec } from './source.ts';
import { volumeName } from './volume-name.ts';
import { guessVolumeType } from './voxel-type.ts';
import { ZarrChunks } from './zarr-array.ts';
import { readNode, type ZarrNode } from './zarr-node.ts';
import { findZarrVolumes, readVolume, type ZarrFinding, type ZarrVolume } from './zarr-volumes.ts';

const KIND = 'zarr';
const MAX_NAMES = 8;

/** Groups and arrays of Zarr; a volume is an array, or the levels that `multiscales` names. */
export const zarrFormat: SourceFormat = {
  kind: KIND,
  find: (path: string): Promise<readonly FoundVolume[] | undefined> =>
    withByteStore(path, async (store) => {
      const root = await readNode(store, '');
      if (root === undefined) return checkRefused(store);
      const findings = await findZarrVolumes(store, root);
      const volumes = findings.flatMap((finding) => ('volume' in finding ? datasetsOf(finding.volume) : []));
      if (volumes.length === 0) throw nothingServable(store, findings);
      return volumes.map((dataset) => ({
        spec: dataset === '' ? { path } : { path, dataset },
        name: volumeName(path, dataset === '' || volumes.length === 1 ? undefined : dataset),
        kind: KIND,
      }));
    }),
  takes: async (path: string): Promise<boolean> =>
    (await withByteStore(path, async (store) => (await readNode(store, '')) ?? checkRefused(store))) !== undefined,
  open: (spec: SourceSpec): Promise<Source> => overByteStore(spec, (store) => openVolume(store, spec.dataset)),
};

function checkRefused(store: ByteStore): undefined {
  if (store.refused)
    throw new BflyError('UNSUPPORTED', 'the server refuses (403) to give the metadata of Zarr, if there are any');
  return undefined;
}

async function openVolume(store: ByteStore, dataset: string | undefined): Promise<Source> {
  const { path, choice } = splitDataset(dataset);
  const node = isInside(path) ? await readNode(store, path) : undefined;
  if (node === undefined && path === '') throw new BflyError('UNSUPPORTED', `${store.name} is not Zarr`);
  if (node === undefined) throw new BflyError('NOT_FOUND', `${store.name} has no group or array "${path}"`);
  const volume = (await readVolume(store, node)) ?? (await onlyVolume(store, node));
  const what = volume.path === '' ? store.name : `"${volume.path}" of ${store.name}`;
  const indices = chosenIndices(volume.extra, choice, what);
  const dtype = volume.levels[0]?.info.type.dtype ?? 'uint8';
  return new ChunkedSource(
    {
      kind: KIND,
      type: volume.isLabel && dtype !== 'float32' ? 'segmentation' : guessVolumeType(dtype),
      dtype,
      voxelKnown: volume.voxelKnown,
      fingerprint: [KIND, joinPath(volume.path, indices.join(',')), ...volume.stamps].join(':'),
    },
    volume.levels.map((level) => chunkedLevel(store, volume, level, indices)),
    () => store.close(),
  );
}

/** The volume that a group of other things is taken for: that which is the only one in it. */
async function onlyVolume(store: ByteStore, node: ZarrNode): Promise<ZarrVolume> {
  const findings = await findZarrVolumes(store, node);
  const volumes = findings.flatMap((finding) => ('volume' in finding ? [finding.volume] : []));
  const [only] = volumes;
  if (only === undefined) throw nothingServable(store, findings);
  if (volumes.length === 1) return only;
  const names = volumes.slice(0, MAX_NAMES).map(({ path }) => path);
  throw new BflyError(
    'NOT_FOUND',
    `${store.name} holds ${volumes.length} volumes: name one as the dataset, of ${names.join(', ')}`,
  );
}

function chunkedLevel(
  store: ByteStore,
  { roles }: ZarrVolume,
  { path, info, place }: ZarrVolume['levels'][number],
  indices: readonly number[],
): ChunkedLevel {
  const chunks = new ZarrChunks(store, path, info, { roles, indices });
  return {
    mip: levelOfChunks(alongSpace(roles, info.shape), alongSpace(roles, info.chunk), place),
    load: (index, clipped) => chunks.read(index, clipped),
    nameOf: (index) => `${chunks.nameOf(index)} of ${path === '' ? store.name : `"${path}" of ${store.name}`}`,
  };
}

function nothingServable(store: ByteStore, findings: readonly ZarrFinding[]): BflyError {
  const faults = findings.flatMap((finding) => ('fault' in finding ? [finding.fault] : []));
  const unlisted = store.isRemote ? '; over HTTP only consolidated metadata say what is in a group' : '';
  const told = faults.slice(0, MAX_NAMES).join('; ') || `there are no arrays in it${unlisted}`;
  return new BflyError('UNSUPPORTED', `${store.name} holds no volume that can be served: ${told}`);
}
