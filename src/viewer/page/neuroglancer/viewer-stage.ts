/** Neuroglancer as the Stage of our panels and tools. */
import type { Viewer } from 'neuroglancer/unstable/viewer.js';
import { Emitter } from '../../../client/events.ts';
import { onNextFrame } from '../next-frame.ts';
import type {
  KeyBinding,
  Place,
  Stage,
  StageBodies,
  StageEvents,
  StageLook,
  StagePanel,
  StageVolume,
} from '../stage.ts';
import type { OpenChannel } from '../volume/open-channels.ts';
import { showMessage } from './heard-messages.ts';
import { stagePanel } from './stage-panel.ts';
import { StageVolumes } from './stage-volumes.ts';

const NM = 1e9;
/** The quaternion that turns nothing. */
const UPRIGHT = [0, 0, 0, 1];
/** How long a word stays, ms. */
const SAID_MS = { info: 3_000, error: 8_000 };

/** The first chunk is waited for so long at most, and looked for so often, ms. */
const SEEN_MS = 5_000;
const LOOK_MS = 50;

/** What a stage is made of. */
export interface StageParts {
  readonly viewer: Viewer;
  readonly element: HTMLElement;
  readonly channelOf: (path: string) => Promise<OpenChannel>;
  readonly showAt: Stage['showAt'];
}

/** The stage of one viewer. */
export class ViewerStage implements Stage {
  readonly element: HTMLElement;
  readonly showAt: Stage['showAt'];
  readonly #viewer: Viewer;
  readonly #events = new Emitter<Record<keyof StageEvents, undefined>>();
  readonly #volumes: StageVolumes;
  readonly #keys: KeyBinding[] = [];
  /** Bodies that are shown instead of the present ones, by path. */
  readonly #bodies = new Map<string, StageBodies>();
  #panels = new Map<object, StagePanel>();
  #actions = 0;

  constructor({ viewer, element, channelOf, showAt }: StageParts) {
    this.#viewer = viewer;
    this.element = element;
    this.showAt = showAt;
    const volumes = onNextFrame(() => {
      for (const path of this.#bodies.keys()) this.#showOtherBodies(path);
      this.#events.emit('volumes', undefined);
    });
    this.#volumes = new StageVolumes(viewer, channelOf, () => volumes.ask());
    viewer.mouseState.changed.add(() => this.#events.emit('pointer', undefined));
    viewer.display.updateFinished.add(() => this.#events.emit('drawn', undefined));
    viewer.navigationState.changed.add(() => this.#events.emit('view', undefined));
    viewer.perspectiveNavigationState.changed.add(() => this.#events.emit('view', undefined));
    viewer.layout.changed.add(() => this.#events.emit('view', undefined));
  }

  /** Settled once a chunk of some layer is drawn, or after a while without any. */
  async seen(): Promise<void> {
    const end = performance.now() + SEEN_MS;
    while (performance.now() < end && !this.#volumes.someSeen)
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }

  /** What is known of the channels has changed. */
  tellVolumes(): void {
    this.#events.emit('volumes', undefined);
  }

  get volumes(): readonly StageVolume[] {
    return this.#volumes.volumes;
  }

  get panels(): readonly StagePanel[] {
    const known = this.#panels;
    this.#panels = new Map();
    for (const panel of this.#viewer.display.panels) {
      const found = known.get(panel) ?? stagePanel(panel);
      if (found !== undefined) this.#panels.set(panel, found);
    }
    return [...this.#panels.values()];
  }

  get place(): Place {
    return this.#toPlace(this.#viewer.position.value);
  }

  get pointer(): Place | undefined {
    const { active, position } = this.#viewer.mouseState;
    return active ? this.#toPlace(position) : undefined;
  }

  #toPlace(position: ArrayLike<number>): Place {
    const { scales } = this.#viewer.coordinateSpace.value;
    const at = (axis: number): number => (position[axis] ?? 0) * (scales[axis] ?? 1) * NM;
    return [at(0), at(1), at(2)];
  }

  on<Name extends keyof StageEvents>(name: Name, listener: () => void): () => void {
    return this.#events.on(name, listener);
  }

  goTo(place: Place, nmPerPixel?: number): void {
    const { coordinateSpace, position, navigationState } = this.#viewer;
    const value = Float32Array.from(position.value);
    place.forEach((nm, axis) => {
      const scale = (coordinateSpace.value.scales[axis] ?? 1) * NM;
      if (axis < value.length) value[axis] = nm / scale;
    });
    position.value = value;
    if (nmPerPixel === undefined) return;
    navigationState.zoomFactor.value = nmPerPixel / this.#voxelNm;
  }

  select(volume: string, ids: readonly bigint[], { only = false }: { readonly only?: boolean } = {}): void {
    const segments = this.#volumes.segmentsOf(volume)?.segmentationGroupState.value;
    if (segments === undefined) return;
    if (only) segments.visibleSegments.clear();
    for (const id of ids) {
      const root = segments.segmentEquivalences.get(id);
      segments.selectedSegments.add(root);
      segments.visibleSegments.add(root);
    }
  }

  showBodies(path: string, bodies: StageBodies | undefined, changed?: Iterable<bigint>): void {
    if (bodies === undefined) this.#bodies.delete(path);
    else this.#bodies.set(path, bodies);
    for (const graph of this.#volumes.graphsOf(path)) graph.showBodies(bodies, changed);
  }

  /** In layers that came later. */
  #showOtherBodies(path: string): void {
    const bodies = this.#bodies.get(path);
    for (const graph of this.#volumes.graphsOf(path)) if (graph.otherBodies !== bodies) graph.showBodies(bodies);
  }

  viewState(): unknown {
    return this.#viewer.state.toJSON();
  }

  get look(): StageLook {
    const { crossSectionOrientation, projectionOrientation, perspectiveNavigationState } = this.#viewer;
    const turn = turnOf(crossSectionOrientation);
    const turn3d = turnOf(projectionOrientation);
    return {
      place: this.place,
      nmPerPixel: this.#viewer.navigationState.zoomFactor.value * this.#voxelNm,
      nmDeep: perspectiveNavigationState.zoomFactor.value * this.#voxelNm,
      ...(turn === undefined ? {} : { turn }),
      ...(turn3d === undefined ? {} : { turn3d }),
    };
  }

  follow({ place, nmPerPixel, turn = UPRIGHT, nmDeep, turn3d = UPRIGHT }: StageLook): void {
    const { crossSectionOrientation, projectionOrientation, perspectiveNavigationState } = this.#viewer;
    this.goTo(place, nmPerPixel);
    perspectiveNavigationState.zoomFactor.value = nmDeep / this.#voxelNm;
    if (!isSame(crossSectionOrientation.orientation, turn)) crossSectionOrientation.restoreState(turn);
    if (!isSame(projectionOrientation.orientation, turn3d)) projectionOrientation.restoreState(turn3d);
  }

  /** Size of the voxel that zooms count in. */
  get #voxelNm(): number {
    return this.#viewer.displayDimensionRenderInfo.value.canonicalVoxelPhysicalSize * NM;
  }

  bind(keys: readonly KeyBinding[]): () => void {
    this.#keys.push(...keys);
    const inTime = keys.filter(({ when }) => when !== undefined);
    const onDown = (event: KeyboardEvent): void => {
      const binding = inTime.find(({ key, when }) => key === keyOf(event) && when?.() === true);
      if (binding === undefined || isTyping(event)) return;
      event.preventDefault();
      event.stopImmediatePropagation();
      binding.run();
    };
    if (inTime.length > 0) addEventListener('keydown', onDown, true);
    for (const { key, run, when } of keys) {
      if (when !== undefined) continue;
      const action = `bfly-${++this.#actions}`;
      this.#viewer.inputEventBindings.global.set(key, action);
      this.#viewer.bindAction(action, () => run());
    }
    const releases = keys.flatMap(({ key, release }) =>
      release === undefined ? [] : [{ code: key.split('+').at(-1), release }],
    );
    const onUp = (event: KeyboardEvent): void => {
      for (const { code, release } of releases) if (event.code.toLowerCase() === code) release();
    };
    addEventListener('keyup', onUp);
    return () => {
      removeEventListener('keyup', onUp);
      removeEventListener('keydown', onDown, true);
      for (const binding of keys) {
        this.#keys.splice(this.#keys.indexOf(binding), 1);
        if (binding.when !== undefined) continue;
        this.#viewer.inputEventBindings.global.delete(binding.key);
      }
    };
  }

  get keys(): readonly KeyBinding[] {
    return this.#keys;
  }

  say(text: string, kind: 'info' | 'error' = 'info'): void {
    showMessage(text, SAID_MS[kind], kind === 'error');
  }
}

/** Undefined where nothing is turned. */
function turnOf({ orientation }: { readonly orientation: ArrayLike<number> }): number[] | undefined {
  return isSame(orientation, UPRIGHT) ? undefined : Array.from(orientation);
}

function isSame(a: ArrayLike<number>, b: readonly number[]): boolean {
  return b.every((value, i) => Math.abs((a[i] ?? 0) - value) < 1e-6);
}

/** A key as bindings name it. */
function keyOf({ code, ctrlKey, metaKey, altKey, shiftKey }: KeyboardEvent): string {
  const held = [altKey && 'alt', (ctrlKey || metaKey) && 'control', shiftKey && 'shift'];
  return [...held.filter((name) => name !== false), code.toLowerCase()].join('+');
}

/** Whether a key belongs to a field, a list, or a window over the view; Enter belongs to a button too. */
function isTyping({ target, code }: KeyboardEvent): boolean {
  if (!(target instanceof HTMLElement)) return false;
  if (target.isContentEditable || target.closest('input:not([type=range]), textarea, select, dialog, [role=dialog]'))
    return true;
  return code === 'Enter' && target.closest('button, a, summary') !== null;
}
