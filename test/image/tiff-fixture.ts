/** A writer of TIFF files for tests, in every layout that a reader must know. */

/** One page: its voxels as they shall stand in the file. */
export interface FixturePage {
  readonly width: number;
  readonly height: number;
  readonly bits: number;
  /** 1 unsigned, 2 signed, 3 float. */
  readonly format?: number;
  /** The strips, coded; all but the last of `rowsPerStrip` rows. */
  readonly strips: readonly Uint8Array[];
  readonly rowsPerStrip?: number;
  readonly compression?: number;
  readonly samples?: number;
  readonly photometric?: number;
  readonly subfile?: number;
  readonly description?: string;
}

/** How the file itself is written. */
export interface FixtureLayout {
  readonly littleEndian?: boolean;
  /** BigTIFF. */
  readonly big?: boolean;
  /** Bytes between strips, so that they do not follow each other. */
  readonly gap?: number;
  /** Makes the last directory point to the first. */
  readonly circle?: boolean;
}

/** Writes pages into a TIFF file: the strips of a page, then its directory. */
export function tiffBytes(pages: readonly FixturePage[], layout: FixtureLayout = {}): Uint8Array {
  const { littleEndian = true, big = false, gap = 0, circle = false } = layout;
  const parts: Uint8Array[] = [];
  let length = 0;
  const add = (bytes: Uint8Array): number => {
    parts.push(bytes);
    length += bytes.length;
    return length - bytes.length;
  };
  const pack = (write: (view: DataView) => void, size: number): Uint8Array => {
    const bytes = new Uint8Array(size);
    write(new DataView(bytes.buffer));
    return bytes;
  };
  const word = (view: DataView, at: number, value: number): void =>
    big ? view.setBigUint64(at, BigInt(value), littleEndian) : view.setUint32(at, value, littleEndian);
  const header = pack(
    (view) => {
      view.setUint16(0, littleEndian ? 0x4949 : 0x4d4d);
      view.setUint16(2, big ? 43 : 42, littleEndian);
      if (big) view.setUint16(4, 8, littleEndian);
    },
    big ? 16 : 8,
  );
  add(header);
  const wordBytes = big ? 8 : 4;
  let nextField = { view: new DataView(header.buffer), at: big ? 8 : 4 };
  let first = 0;
  for (const page of pages) {
    const offsets = page.strips.map((strip) => {
      add(new Uint8Array(gap));
      return add(strip);
    });
    const { description = '' } = page;
    const list = (values: readonly number[]): number =>
      add(pack((view) => values.map((value, i) => word(view, i * wordBytes, value)), values.length * wordBytes));
    const stripList = (values: readonly number[]): number => (values.length === 1 ? (values[0] ?? 0) : list(values));
    const counts = page.strips.map((strip) => strip.length);
    const wordType = big ? 16 : 4;
    const tags: [number, number, number, number][] = [
      [254, 4, 1, page.subfile ?? 0],
      [256, 4, 1, page.width],
      [257, 4, 1, page.height],
      [258, 3, 1, page.bits],
      [259, 3, 1, page.compression ?? 1],
      [262, 3, 1, page.photometric ?? 1],
      [273, wordType, offsets.length, stripList(offsets)],
      [277, 3, 1, page.samples ?? 1],
      [278, 4, 1, page.rowsPerStrip ?? page.height],
      [279, wordType, counts.length, stripList(counts)],
      [339, 3, 1, page.format ?? 1],
    ];
    if (description !== '') {
      const text = Buffer.from(`${description}\0`.padEnd(12, '\0'));
      tags.push([270, 2, text.length, add(text)]);
    }
    tags.sort((a, b) => a[0] - b[0]);
    const entryBytes = big ? 20 : 12;
    const countBytes = big ? 8 : 2;
    const directory = pack(
      (view) => {
        if (big) view.setBigUint64(0, BigInt(tags.length), littleEndian);
        else view.setUint16(0, tags.length, littleEndian);
        tags.forEach(([tag, type, count, value], i) => {
          const at = countBytes + i * entryBytes;
          view.setUint16(at, tag, littleEndian);
          view.setUint16(at + 2, type, littleEndian);
          word(view, at + 4, count);
          if (type === 3) view.setUint16(at + 4 + wordBytes, value, littleEndian);
          else if (type === 4) view.setUint32(at + 4 + wordBytes, value, littleEndian);
          else word(view, at + 4 + wordBytes, value);
        });
      },
      countBytes + tags.length * entryBytes + wordBytes,
    );
    const position = add(directory);
    first ||= position;
    word(nextField.view, nextField.at, position);
    nextField = { view: new DataView(directory.buffer), at: directory.length - wordBytes };
  }
  if (circle) word(nextField.view, nextField.at, first);
  return Buffer.concat(parts);
}
