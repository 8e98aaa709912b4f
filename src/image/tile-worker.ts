/** Entry of a worker thread: runs the methods of one `InlineTileMaker`. */
import { setPriority } from 'node:os';
import { move, Piscina } from 'piscina';
import { BflyError } from '../../protocol/errors.ts';
import type { DType, EncodingName } from '../../protocol/volume.ts';
import { InlineTileMaker } from './inline-tile-maker.ts';
import type { ByteRange, SourceFile, SourceInfo } from './source.ts';
import type {
  CoarserTile,
  MadeBlock,
  MadeTile,
  RenderRequest,
  SourceBlock,
  SourceTile,
  UniquePart,
  VolumeSpec,
} from './tile-maker.ts';
import type { VoxelWork } from './voxel-work.ts';

/** Half of the processor time that the event loop gets where both want it. */
const WORKER_NICENESS = 5;

/** What a worker gives back: errors lose their class between threads, so they travel as values. */
export type Outcome<T> =
  | { readonly value: T }
  | {
      readonly code: BflyError['code'];
      readonly message: string;
      readonly details?: BflyError['details'];
    };

// On Linux this is the priority of the thread alone: where cores are few the event loop goes before pixels.
if (process.platform === 'linux') setPriority(WORKER_NICENESS);

const maker = new InlineTileMaker();

async function outcome<T>(work: Promise<T>): Promise<Outcome<T>> {
  try {
    return { value: await work };
  } catch (error) {
    if (error instanceof BflyError) return { code: error.code, message: error.message, details: error.details };
    throw error;
  }
}

/** Gives bytes to the other thread without a copy, where they have their buffer for themselves. */
async function moved<T>(work: Promise<T>, bytesOf: (value: T) => Uint8Array | readonly Uint8Array[]): Promise<unknown> {
  const result = await outcome(work);
  if (!('value' in result)) return result;
  const buffers = [bytesOf(result.value)]
    .flat()
    .filter((bytes) => bytes.byteLength === bytes.buffer.byteLength)
    .map(({ buffer }) => buffer);
  if (buffers.length === 0) return result;
  return move({ [Piscina.transferableSymbol]: buffers, [Piscina.valueSymbol]: result } as never);
}

const frameOf = (made: MadeTile): Uint8Array => made.frame;

export const open = (spec: VolumeSpec): Promise<Outcome<SourceInfo>> => outcome(maker.open(spec));
export const fromSource = (tile: SourceTile): Promise<unknown> => moved(maker.fromSource(tile), frameOf);
export const fromSourceBlock = (block: SourceBlock): Promise<unknown> =>
  moved(maker.fromSourceBlock(block), ({ tiles }: MadeBlock) => tiles.map(frameOf));
export const file = (request: {
  spec: VolumeSpec;
  key: string;
  range?: ByteRange;
}): Promise<Outcome<SourceFile | undefined>> => outcome(maker.file(request.spec, request.key, request.range));
export const fromFiner = (tile: CoarserTile): Promise<unknown> => moved(maker.fromFiner(tile), frameOf);
export const transcode = (request: { frame: Uint8Array; dtype: DType; to: EncodingName }): Promise<unknown> =>
  moved(maker.transcode(request.frame, request.dtype, request.to), (frame) => frame);
export const unique = (request: { parts: readonly UniquePart[]; dtype: DType }): Promise<Outcome<BigUint64Array>> =>
  outcome(maker.unique(request.parts, request.dtype));
export const maxId = (request: { frames: readonly Uint8Array[]; dtype: DType }): Promise<Outcome<bigint>> =>
  outcome(maker.maxId(request.frames, request.dtype));
export const work = <K extends keyof VoxelWork>(job: { name: K; request: VoxelWork[K]['request'] }): Promise<unknown> =>
  outcome(maker.work(job.name, job.request));
export const render = (request: RenderRequest): Promise<unknown> =>
  moved(maker.render(request), (rendered) => rendered.bytes);
