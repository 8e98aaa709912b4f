/**
 * Boxes put together by WebAssembly, which copies 16 bytes at a time wherever they lie: three times as fast as the words of `copy-box.ts`,
 * its twin, even though the voxels go into its memory and out again (bench: cutout).
 */
import type { Box } from '../../protocol/volume.ts';
import { type CopyPlan, copyBox, planCopy } from './copy-box.ts';

/** `copy-rows.wat`, assembled; a test does it again. */
export const COPY_ROWS_WASM =
  'AGFzbQEAAAABEwJgCX9/f39/f39/fwBgA39/fwADAwIAAQUDAQABBxUCBm1lbW9yeQIACGNvcHlSb3dzAAAKwAECTAEDfwNAIAMhCSAAIQogASELA0AgCiALIAIQ' +
  'ASAKIAVqIQogCyAGaiELIAlBAWsiCQ0ACyAAIAdqIQAgASAIaiEBIARBAWsiBA0ACwtxAQF/IAJBEE8EQCAAIAJqQRBrIQMDQCABIAD9AAAA/QsAACAAQRBqIQAg' +
  'AUEQaiEBIAAgA0kNAAsgASAAIANrayAD/QAAAP0LAAAFA0AgASAALQAAOgAAIABBAWohACABQQFqIQEgAkEBayICDQALCws=';

/** The largest target. */
export const MAX_ROOM_BYTES = 1024 * 1024;
/** What is copied in at once; more is copied row by row by `copyBox`, as are few bytes out of many. */
const SOURCE_BYTES = 512 * 1024;
const FEW_OF = 4;
const PAGE_BYTES = 64 * 1024;
/** 8 bytes a row: below it a call costs more than it saves. */
const SHORTEST_ROW = 8;

/** What the module exports. */
interface Exports {
  readonly memory: WebAssembly.Memory;
  copyRows(
    ...where: [from: number, to: number, bytes: number, rows: number, planes: number, ...strides: number[]]
  ): void;
}

/** A room in which boxes are put together, one after the other. There is one in each thread. */
export class BoxRoom {
  readonly #bytes: Uint8Array;
  readonly #exports: Exports;

  private constructor(exports: Exports) {
    exports.memory.grow(Math.ceil((SOURCE_BYTES + MAX_ROOM_BYTES) / PAGE_BYTES) - 1);
    this.#exports = exports;
    this.#bytes = new Uint8Array(exports.memory.buffer);
  }

  /** The room of this thread; undefined where its processor, or its Node, cannot do that. */
  static get(): BoxRoom | undefined {
    if (room === undefined)
      try {
        const { exports } = new WebAssembly.Instance(
          new WebAssembly.Module(Buffer.from(COPY_ROWS_WASM, 'base64') as Uint8Array<ArrayBuffer>),
        );
        room = new BoxRoom(exports as unknown as Exports); // it is our own module
      } catch {
        room = null;
      }
    return room ?? undefined;
  }

  /** Where a box of so many bytes, at most `MAX_ROOM_BYTES`, is put together: valid until the next one. Holds what was there before. */
  target(length: number): Uint8Array {
    return this.#bytes.subarray(SOURCE_BYTES, SOURCE_BYTES + length);
  }

  /**
   * As `copyBox`.
   *
   * @param target as `target` gave it.
   */
  copy(source: Uint8Array, sourceBox: Box, target: Uint8Array, targetBox: Box, bytesPerVoxel: number): void {
    const plan = planCopy(sourceBox, targetBox, bytesPerVoxel);
    if (plan === undefined) return;
    const span = spanOf(plan);
    const { rowBytes, rows, planes, sourceRow, targetRow, sourcePlane, targetPlane } = plan;
    const isWhole = rowBytes === sourceRow && rowBytes === targetRow;
    const isWorthIt = span <= SOURCE_BYTES && span <= FEW_OF * rowBytes * rows * planes && rowBytes >= SHORTEST_ROW;
    if (isWhole || !isWorthIt) return copyBox(source, sourceBox, target, targetBox, bytesPerVoxel);
    this.#bytes.set(source.subarray(plan.from, plan.from + span), 0);
    const to = SOURCE_BYTES + plan.to;
    this.#exports.copyRows(0, to, rowBytes, rows, planes, sourceRow, targetRow, sourcePlane, targetPlane);
  }
}

/** Bytes from the first that is copied to behind the last. */
function spanOf({ rowBytes, rows, planes, sourceRow, sourcePlane }: CopyPlan): number {
  return (planes - 1) * sourcePlane + (rows - 1) * sourceRow + rowBytes;
}

/** Null: cannot be had. */
let room: BoxRoom | null | undefined;
