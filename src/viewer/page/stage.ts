/** The view as panels and tools know it: places, pointers, layers. Neuroglancer stands behind it, and nothing here names it. */
import type { Box, ChannelInfo, LiveChannel, Vec3 } from '../../client/index.ts';

/** A place in the view, in nanometres along x, y and z. What a channel calls it: see `toVoxel`. */
export type Place = readonly [x: number, y: number, z: number];

/** A layer of the view that shows a channel of the server. */
export interface StageVolume {
  /** Name of the layer. */
  readonly name: string;
  readonly path: string;
  readonly info: ChannelInfo;
  /** Followed and edited; undefined where the address names a seq: the past does not change. */
  readonly channel: LiveChannel | undefined;
  /** Whether the layer is drawn. */
  readonly isVisible: boolean;
  /** Bodies that are selected, by their roots. */
  readonly selected: readonly bigint[];
  /** What lies under the pointer: the id of the voxel, and of its body. */
  readonly hovered: { readonly base: bigint; readonly root: bigint } | undefined;
  /** The colour that a body is drawn in, as CSS; undefined where the layer has none. */
  colorOf(root: bigint): string | undefined;
}

/** One of the rectangles in which the view is drawn. */
export interface StagePanel {
  /** Changes only when the layout does. */
  readonly element: HTMLElement;
  readonly kind: 'slice' | '3d';
  /** CSS pixels from the panel's left and top edge. `depth`: nm behind (>0) or before the slice; 0 in 3-D. Undefined: out of sight. */
  project(place: Place): { readonly x: number; readonly y: number; readonly depth: number } | undefined;
  /** The place on the slice at a CSS pixel of the panel; undefined in 3-D. */
  unproject(x: number, y: number): Place | undefined;
  /** Unit vectors, in nm, of the slice's right, down and into-the-screen directions. */
  readonly axes: readonly [right: Place, down: Place, into: Place];
  /** Nanometres of one CSS pixel. */
  readonly nmPerPixel: number;
}

/** What is said of a key in the help. */
export interface KeyBinding {
  /** As Neuroglancer writes it, such as `keym`, `control+keyz`, `shift+keyx`. */
  readonly key: string;
  /** Plain words, such as "merge with the next segment that is pressed on". */
  readonly help: string;
  readonly run: () => void;
  /** Called when the key is let go, where it acts while it is held. */
  readonly release?: () => void;
  /** Given: it acts only while this holds, wherever the focus is but in a field, and goes before all other bindings. `control` is also the Mac's ⌘. */
  readonly when?: () => boolean;
}

/** Where one looks, and how: what somebody else needs to see the same, whatever the layers of either. */
export interface StageLook {
  /** The middle of the view. */
  readonly place: Place;
  /** Zoom of the slices. */
  readonly nmPerPixel: number;
  /** Quaternion of the slices; undefined: along the axes. */
  readonly turn?: readonly number[] | undefined;
  /** Zoom of 3-D: nm from top to bottom. */
  readonly nmDeep: number;
  /** Quaternion of 3-D; undefined: along the axes. */
  readonly turn3d?: readonly number[] | undefined;
}

/** Bodies of a channel at some moment. */
export interface StageBodies {
  /** What the body of an id is called: the id itself where it is alone. */
  rootOf(id: bigint): bigint;
  /** All ids of the body of an id. */
  membersOf(id: bigint): Iterable<bigint>;
  /** Ids that are not their own root, each with its root. */
  links(): Iterable<readonly [id: bigint, root: bigint]>;
}

/** Events of a stage; no values but what the stage then shows. */
export interface StageEvents {
  /** Layers came, went, or changed in `selected`, `isVisible` or `info`. */
  readonly volumes: undefined;
  /** The pointer moved, or left. */
  readonly pointer: undefined;
  /** The view was drawn: what lies over the panels is to be placed anew. */
  readonly drawn: undefined;
  /** Position, zoom or layout changed. */
  readonly view: undefined;
}

/** The view. */
export interface Stage {
  /** Fills the page; what lies over the view is put into it. */
  readonly element: HTMLElement;
  readonly volumes: readonly StageVolume[];
  readonly panels: readonly StagePanel[];
  /** The middle of the view. */
  readonly place: Place;
  /** Where the pointer is; undefined while it is outside. */
  readonly pointer: Place | undefined;
  on<Name extends keyof StageEvents>(name: Name, listener: () => void): () => void;
  /** Moves the middle of the view; `nmPerPixel` zooms too. */
  goTo(place: Place, nmPerPixel?: number): void;
  /** Selects bodies of a layer, by any of their ids, besides those that are. */
  select(volume: string, ids: readonly bigint[], options?: { readonly only?: boolean }): void;
  /** The state of the view as JSON, without anything that is not in its link. */
  viewState(): unknown;
  /** Where one looks now. */
  readonly look: StageLook;
  /** Looks as somebody else does. Layers, layout and what is selected stay. */
  follow(look: StageLook): void;
  /**
   * Shows the voxels of a channel as of an edit; undefined = as they are now. Bodies are not changed by it: see `showBodies`.
   *
   * @param boxes of mip 0: nothing outside them has another value than what is shown. Default: everything may.
   */
  showAt(path: string, at: number | undefined, boxes?: readonly Box[]): void;
  /**
   * Shows other bodies than the present ones, which are followed meanwhile; undefined = the present ones again. Selected bodies are shown
   * as they are in them; the selection itself, and the link, stay as they are.
   *
   * @param bodies read now and whenever something is looked up; who changes them calls this again.
   * @param changed ids whose bodies may be others than those shown last. Default: all.
   */
  showBodies(path: string, bodies: StageBodies | undefined, changed?: Iterable<bigint>): void;
  /** Binds keys; they act while the view has the focus. @returns a function that ends it. */
  bind(keys: readonly KeyBinding[]): () => void;
  /** All keys that were bound, for the help. */
  readonly keys: readonly KeyBinding[];
  /** Says something in a few words, over the view. */
  say(text: string, kind?: 'info' | 'error'): void;
}

/** The voxel of mip 0 that a place lies in, with fractions. */
export function toVoxel(info: ChannelInfo, place: Place): Vec3 {
  const [x, y, z] = info.mips[0]?.voxel ?? [1, 1, 1];
  return [place[0] / x, place[1] / y, place[2] / z];
}

/** The place of a voxel of mip 0. */
export function toPlace(info: ChannelInfo, voxel: readonly [number, number, number]): Place {
  const [x, y, z] = info.mips[0]?.voxel ?? [1, 1, 1];
  return [voxel[0] * x, voxel[1] * y, voxel[2] * z];
}
