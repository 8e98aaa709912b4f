/** The contract of every format that voxels can be exported to. One file a format, one line in `export-formats.ts`. */
import type { BflyError } from '../../../protocol/errors.ts';
import type { ExportPiece, ExportPlan } from './export-plan.ts';

/** Writes one export. Pieces come in order, those of an earlier run left out; what is written twice is the same. */
export interface VolumeWriter {
  /**
   * Before the first piece.
   *
   * @param run how many pieces earlier runs have written, and how many are left.
   * @throws BflyError CONFLICT where what they have written is gone.
   */
  begin(run: { readonly done: number; readonly left: number }): Promise<void>;
  /** @param voxels of the piece's box, x fastest; borrowed until the promise settles, and then on disk. */
  write(piece: ExportPiece, voxels: Uint8Array): Promise<void>;
  /** After the last piece: what was written becomes what it is called. */
  finish(): Promise<void>;
  /** Frees files, whatever happened. */
  close(): Promise<void>;
}

/** A format. */
export interface ExportFormat {
  readonly about: string;
  /** Whether it holds coarser levels too. */
  readonly hasLevels: boolean;
  /** What a piece is made of. */
  readonly pieces: 'chunks' | 'planes';
  /** Why this cannot be written so; undefined: it can. */
  fault(plan: ExportPlan): BflyError | undefined;
  /** @param folder is there. */
  open(folder: string, plan: ExportPlan): VolumeWriter;
}
