/** The formats and views in which voxels are given out, by the names that Butterfly has for them. Source: parity.md 6.1, 6.2. */
import { BflyError } from '../../protocol/errors.ts';

/** How a format is made. */
export type FormatKind = 'png' | 'jpeg' | 'bmp' | 'tiff' | 'zip' | 'npz' | 'npy' | 'raw';

/** One format. */
export interface RenderFormat {
  readonly kind: FormatKind;
  readonly mime: string;
  /** A picture for the eye: ids are coloured in it, and other values fitted to 8 or 16 bits. */
  readonly picture: boolean;
}

const RENDER_FORMATS: ReadonlyMap<string, RenderFormat> = new Map([
  ['png', { kind: 'png', mime: 'image/png', picture: true }],
  ['jpg', { kind: 'jpeg', mime: 'image/jpeg', picture: true }],
  ['jpeg', { kind: 'jpeg', mime: 'image/jpeg', picture: true }],
  ['bmp', { kind: 'bmp', mime: 'image/x-ms-bmp', picture: true }],
  ['npz', { kind: 'npz', mime: 'image/npz', picture: false }],
  ['tif', { kind: 'tiff', mime: 'image/tiff', picture: false }],
  ['tiff', { kind: 'tiff', mime: 'image/tiff', picture: false }],
  ['zip', { kind: 'zip', mime: 'application/zip', picture: false }],
  ['npy', { kind: 'npy', mime: 'application/x-npy', picture: false }],
  ['raw', { kind: 'raw', mime: 'image/raw', picture: false }],
]);

/** Names of all formats. */
export const FORMATS: readonly string[] = [...RENDER_FORMATS.keys()];
/** Names of all views. */
export const VIEWS = ['grayscale', 'colormap', 'rgb'] as const;
/** Name of a view. */
export type View = (typeof VIEWS)[number];

/** A format by its name. @throws BflyError BAD_REQUEST naming those there are. */
export function readFormat(name: string): RenderFormat {
  const format = RENDER_FORMATS.get(name);
  if (format !== undefined) return format;
  throw new BflyError('BAD_REQUEST', `The format ${name} is not in ${listed(FORMATS)}.`);
}

/** A view by its name. @throws BflyError BAD_REQUEST naming those there are. */
export function readView(name: string): View {
  const view = VIEWS.find((known) => known === name);
  if (view !== undefined) return view;
  throw new BflyError('BAD_REQUEST', `The view ${name} is not in ${listed(VIEWS)}.`);
}

/** In the notation of Butterfly's messages, which old clients may look for. */
function listed(names: readonly string[]): string {
  return `[${names.map((name) => `'${name}'`).join(', ')}]`;
}
