/** A TIFF file as a stack of grey pages of one size, read strip by strip or tile by tile. */
import { BflyError } from '../../protocol/errors.ts';
import { type Box, BYTES_PER_VOXEL, type DType } from '../../protocol/volume.ts';
import { copyBox } from '../query/copy-box.ts';
import { PositionalFile } from './positional-file.ts';
import { RecentValues } from './recent-values.ts';
import { decodeTiffBlock, TIFF_COMPRESSIONS } from './tiff-block.ts';
import {
  descriptionOf,
  isExtra,
  readDirectory,
  readPage,
  readTiffHeader,
  readValues,
  type TiffHeader,
  type TiffPage,
} from './tiff-directory.ts';
import { quotedName } from './volume-name.ts';

const RECENT_BLOCK_BYTES = 64 * 1024 * 1024;
const RECENT_LAYOUT_BYTES = 8 * 1024 * 1024;
/** What a page's layout weighs besides its positions, roughly. */
const LAYOUT_BYTES = 512;

/** Where the blocks of a page are. */
interface Layout {
  readonly page: TiffPage;
  readonly blockHeight: number;
  readonly offsets: Float64Array;
  readonly byteCounts: Float64Array;
}

/** An open TIFF file. Reads may run concurrently. */
export class TiffFile {
  readonly width: number;
  readonly height: number;
  readonly dtype: DType;
  /** Number of pages. */
  readonly pages: number;
  readonly #file: PositionalFile;
  readonly #header: TiffHeader;
  readonly #name: string;
  readonly #positions: readonly number[];
  /** Where the pages follow each other as one run of bytes: the first byte. */
  readonly #run: number | undefined;
  readonly #layouts = new RecentValues<Layout>(
    RECENT_LAYOUT_BYTES,
    ({ offsets, byteCounts }) => LAYOUT_BYTES + offsets.byteLength + byteCounts.byteLength,
  );
  readonly #blocks = new RecentValues<Uint8Array>(RECENT_BLOCK_BYTES, (block) => block.length);

  private constructor(path: string, file: PositionalFile, chain: Chain) {
    this.#file = file;
    this.#name = quotedName(path);
    this.#header = chain.header;
    this.#positions = chain.positions;
    this.#run = chain.run?.start;
    this.width = chain.first.width;
    this.height = chain.first.height;
    this.dtype = chain.first.dtype;
    this.pages = chain.run?.pages ?? chain.positions.length;
  }

  /** Opens a file. @returns undefined where it is not a TIFF. @throws BflyError UNSUPPORTED where it cannot be served. */
  static open(path: string): TiffFile | undefined {
    const file = new PositionalFile(path);
    let opened: TiffFile | undefined;
    try {
      const chain = readChain(file);
      if (chain !== undefined) opened = new TiffFile(path, file, chain);
      return opened;
    } catch (cause) {
      if (!(cause instanceof BflyError)) throw cause;
      throw new BflyError(cause.code, `${quotedName(path)} cannot be served: ${cause.message}`, { cause });
    } finally {
      if (opened === undefined) file.close();
    }
  }

  /**
   * Reads a window of a page.
   *
   * @param page from 0 on.
   * @returns owned voxels, little-endian, rows from the top.
   * @throws BflyError INTERNAL where the data are damaged.
   */
  async read(page: number, x0: number, y0: number, x1: number, y1: number): Promise<Uint8Array> {
    const window: Box = [x0, y0, 0, x1, y1, 1];
    const out = new Uint8Array((x1 - x0) * (y1 - y0) * BYTES_PER_VOXEL[this.dtype]);
    try {
      if (this.#run !== undefined) await this.#readRows(this.#run + page * this.#pageBytes(), 0, window, out);
      else await this.#readBlocks(page, window, out);
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : 'it cannot be read';
      throw new BflyError('INTERNAL', `page ${page} of ${this.#name} is damaged: ${reason}`, { cause });
    }
    return out;
  }

  /** Closes the file; again does nothing. */
  close(): void {
    this.#file.close();
    this.#blocks.clear();
    this.#layouts.clear();
  }

  #pageBytes(): number {
    return this.width * this.height * BYTES_PER_VOXEL[this.dtype];
  }

  async #readBlocks(pageNumber: number, window: Box, out: Uint8Array): Promise<void> {
    const layout = await this.#layouts.get(String(pageNumber), async () => this.#readLayout(pageNumber));
    const { page, blockHeight } = layout;
    const across = Math.ceil(page.width / page.blockWidth);
    for (let row = Math.floor(window[1] / blockHeight); row * blockHeight < window[4]; row++)
      for (let column = Math.floor(window[0] / page.blockWidth); column * page.blockWidth < window[3]; column++)
        await this.#readBlock(
          layout,
          pageNumber,
          row * across + column,
          [column * page.blockWidth, row * blockHeight],
          window,
          out,
        );
  }

  async #readBlock(
    layout: Layout,
    pageNumber: number,
    number: number,
    [x, y]: readonly [number, number],
    window: Box,
    out: Uint8Array,
  ): Promise<void> {
    const { page, offsets, byteCounts } = layout;
    const position = offsets[number] ?? 0;
    const bytes = byteCounts[number] ?? 0;
    // A block of no bytes is one that was never written.
    if (position === 0 || bytes === 0) return;
    // Tiles are whole, the last strip ends with the page.
    const height = page.tiled ? layout.blockHeight : Math.min(layout.blockHeight, page.height - y);
    if (page.compression === 1 && page.predictor === 1 && !page.tiled) {
      if (bytes < page.width * height * BYTES_PER_VOXEL[page.dtype]) throw new Error('a strip is too short');
      await this.#readRows(position, y, window, out, y + height);
      return;
    }
    const block = await this.#blocks.get(`${pageNumber}:${number}`, async () => {
      const stored = await this.#file.read(position, bytes);
      if (stored.length < bytes) throw new Error('the file ends within it');
      const bytesPerVoxel = BYTES_PER_VOXEL[page.dtype];
      const coding = {
        ...page,
        bytesPerVoxel,
        littleEndian: this.#header.littleEndian,
        width: page.blockWidth,
        height,
      };
      return decodeTiffBlock(stored, coding);
    });
    copyBox(block, [x, y, 0, x + page.blockWidth, y + height, 1], out, window, BYTES_PER_VOXEL[page.dtype]);
  }

  /** Reads the window's rows out of uncompressed rows that stand at a position, the first of them being row `top`. */
  async #readRows(position: number, top: number, window: Box, out: Uint8Array, bottom = this.height): Promise<void> {
    const bytesPerVoxel = BYTES_PER_VOXEL[this.dtype];
    const rowBytes = this.width * bytesPerVoxel;
    const y0 = Math.max(top, window[1]);
    const y1 = Math.min(bottom, window[4]);
    const length = (y1 - y0) * rowBytes;
    const stored = await this.#file.read(position + (y0 - top) * rowBytes, length);
    if (stored.length < length) throw new Error('the file ends within it');
    const coding = { compression: 1, predictor: 1, bytesPerVoxel, width: this.width, height: y1 - y0 };
    const rows = await decodeTiffBlock(stored, { ...coding, littleEndian: this.#header.littleEndian });
    copyBox(rows, [0, y0, 0, this.width, y1, 1], out, window, bytesPerVoxel);
  }

  #readLayout(pageNumber: number): Layout {
    const directory = readDirectory(this.#file, this.#header, this.#positions[pageNumber] ?? 0);
    const page = readPage(this.#file, this.#header, directory);
    const blocks = Math.ceil(page.width / page.blockWidth) * Math.ceil(page.height / page.blockHeight);
    const offsets = readValues(this.#file, this.#header, page.offsets, 0, blocks);
    const byteCounts = readValues(this.#file, this.#header, page.byteCounts, 0, blocks);
    const plain = page.compression === 1 && page.predictor === 1 && !page.tiled;
    if (!plain || blocks === 1 || !follow(offsets, byteCounts))
      return { page, blockHeight: page.blockHeight, offsets, byteCounts };
    // Strips of a few rows that follow each other are read as one.
    const total = byteCounts.reduce((sum, bytes) => sum + bytes, 0);
    return { page, blockHeight: page.height, offsets: offsets.slice(0, 1), byteCounts: Float64Array.of(total) };
  }
}

function follow(offsets: Float64Array, byteCounts: Float64Array): boolean {
  return offsets.every((offset, i) => i === 0 || offset === (offsets[i - 1] ?? 0) + (byteCounts[i - 1] ?? 0));
}

/** What the chain of directories says. */
interface Chain {
  readonly header: TiffHeader;
  readonly first: TiffPage;
  /** Of the directories of pages. */
  readonly positions: readonly number[];
  readonly run: { readonly start: number; readonly pages: number } | undefined;
}

function readChain(file: PositionalFile): Chain | undefined {
  const header = readTiffHeader(file);
  if (header === undefined) return undefined;
  const positions: number[] = [];
  const seen = new Set<number>();
  let first: TiffPage | undefined;
  let description = '';
  for (let position = header.first; position !== 0; ) {
    if (seen.has(position)) throw new BflyError('UNSUPPORTED', 'its pages form a circle');
    seen.add(position);
    const directory = readDirectory(file, header, position);
    if (!isExtra(file, header, directory)) {
      const page = readPage(file, header, directory);
      if (first === undefined) {
        first = page;
        description = descriptionOf(file, directory);
      }
      checkAlike(first, page, positions.length);
      positions.push(position);
    }
    position = directory.next;
  }
  if (first === undefined) throw new BflyError('UNSUPPORTED', 'it has no pages');
  checkAxes(description);
  return {
    header,
    first,
    positions,
    run: positions.length === 1 ? findRun(file, header, first, description) : undefined,
  };
}

function checkAlike(first: TiffPage, page: TiffPage, number: number): void {
  if (page.width !== first.width || page.height !== first.height || page.dtype !== first.dtype)
    throw new BflyError(
      'UNSUPPORTED',
      `page ${number} is ${page.width}×${page.height} ${page.dtype}; ${first.width}×${first.height} ${first.dtype}, as page 0, would be right`,
    );
  if (TIFF_COMPRESSIONS[page.compression] === undefined || page.predictor < 1 || page.predictor > 3)
    throw new BflyError(
      'UNSUPPORTED',
      `page ${number} has compression ${page.compression} with predictor ${page.predictor}; none, deflate, LZW or PackBits would be right`,
    );
}

/** Pages are z. Files whose pages run over two axes, such as slices and channels, would be shown as a volume that never was. */
function checkAxes(description: string): void {
  const axis = (imageJ: string, ome: string): number => {
    const written = description.startsWith('ImageJ=')
      ? new RegExp(`^${imageJ}=(\\d+)`, 'm')
      : new RegExp(`\\bSize${ome}="(\\d+)"`);
    return Number(written.exec(description)?.[1] ?? 1);
  };
  const [channels, slices, frames] = [axis('channels', 'C'), axis('slices', 'Z'), axis('frames', 'T')];
  if ([channels, slices, frames].filter((count) => count > 1).length > 1)
    throw new BflyError(
      'UNSUPPORTED',
      `it has ${channels} channels, ${slices} slices and ${frames} frames; one of these alone would be right`,
    );
}

/** ImageJ writes stacks of more than 4 GB with one directory, the pages following each other uncompressed. */
function findRun(file: PositionalFile, header: TiffHeader, first: TiffPage, description: string): Chain['run'] {
  const pages = Number(/^ImageJ=[\s\S]*?^images=(\d+)/m.exec(description)?.[1] ?? 1);
  if (pages < 2) return undefined;
  const start = readValues(file, header, first.offsets, 0, 1)[0] ?? 0;
  const pageBytes = first.width * first.height * BYTES_PER_VOXEL[first.dtype];
  if (first.compression !== 1 || first.tiled || start + pages * pageBytes > file.size)
    throw new BflyError(
      'UNSUPPORTED',
      `ImageJ says that it has ${pages} images, of ${pageBytes} bytes each, but it has one directory and ${file.size} bytes`,
    );
  return { start, pages };
}
