/** Entry of a worker thread: runs the methods of one `InlineTileMaker`. */
import { move, Piscina } from 'piscina';
import { BflyError } from '../../protocol/errors.ts';
import type { DType, EncodingName } from '../../protocol/volume.ts';
import { InlineTileMaker } from './inline-tile-maker.ts';
import type { ByteRange, SourceFile, SourceInfo } from './source.ts';
import type { CoarserTile, MadeTile, RenderRequest, SourceTile, UniquePart, VolumeSpec } from './tile-maker.ts';
import type { VoxelWork } from './voxel-work.ts';

/** What a worker gives back: errors lose their class between threads, so they travel as values. */
export type Outcome<T> =
  | { readonly value: T }
  | {
      readonly code: BflyError['code'];
      readonly message: string;
      readonly details?: BflyError['details'];
    };

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
async function moved<T>(work: Promise<T>, bytesOf: (value: T) => Uint8Array): Promise<unknown> {
  const result = await outcome(work);
  if (!('value' in result)) return result;
  const bytes = bytesOf(result.value);
  if (bytes.byteLength !== bytes.buffer.byteLength) return result;
  return move({ [Piscina.transferableSymbol]: [bytes.buffer], [Piscina.valueSymbol]: result } as never);
}

const frameOf = (made: MadeTile): Uint8Array => made.frame;

export const open = (spec: VolumeSpec): Promise<Outcome<SourceInfo>> => outcome(maker.open(spec));
export const fromSource = (tile: SourceTile): Promise<unknown> => moved(maker.fromSource(tile), frameOf);
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
