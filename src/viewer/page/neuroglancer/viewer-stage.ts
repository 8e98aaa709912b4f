/** Neuroglancer as the Stage of our panels and tools. */
import { StatusMessage } from 'neuroglancer/unstable/status.js';
import type { Viewer } from 'neuroglancer/unstable/viewer.js';
import { Emitter } from '../../../client/events.ts';
import { onNextFrame } from '../next-frame.ts';
import type { KeyBinding, Place, Stage, StageEvents, StagePanel, StageVolume } from '../stage.ts';
import type { OpenChannel } from '../volume/open-channels.ts';
import { stagePanel } from './stage-panel.ts';
import { StageVolumes } from './stage-volumes.ts';

const NM = 1e9;
/** What follows somebody else: where one looks, and how. */
const VIEW_KEYS = [
  'position',
  'crossSectionScale',
  'crossSectionOrientation',
  'projectionScale',
  'projectionOrientation',
];
/** How long a word stays, ms. */
const SAID_MS = { info: 3_000, error: 8_000 };

/** What a stage is made of. */
export interface StageParts {
  readonly viewer: Viewer;
  readonly element: HTMLElement;
  readonly channelOf: (path: string) => Promise<OpenChannel>;
  readonly showAt: (path: string, at: number | undefined) => void;
}

/** The stage of one viewer. */
export class ViewerStage implements Stage {
  readonly element: HTMLElement;
  readonly showAt: Stage['showAt'];
  readonly #viewer: Viewer;
  readonly #events = new Emitter<Record<keyof StageEvents, undefined>>();
  readonly #volumes: StageVolumes;
  readonly #keys: KeyBinding[] = [];
  #panels = new Map<object, StagePanel>();
  #actions = 0;

  constructor({ viewer, element, channelOf, showAt }: StageParts) {
    this.#viewer = viewer;
    this.element = element;
    this.showAt = showAt;
    const volumes = onNextFrame(() => this.#events.emit('volumes', undefined));
    this.#volumes = new StageVolumes(viewer, channelOf, () => volumes.ask());
    viewer.mouseState.changed.add(() => this.#events.emit('pointer', undefined));
    viewer.display.updateFinished.add(() => this.#events.emit('drawn', undefined));
    viewer.navigationState.changed.add(() => this.#events.emit('view', undefined));
    viewer.layout.changed.add(() => this.#events.emit('view', undefined));
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
    const { canonicalVoxelPhysicalSize } = this.#viewer.displayDimensionRenderInfo.value;
    navigationState.zoomFactor.value = nmPerPixel / (canonicalVoxelPhysicalSize * NM);
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

  viewState(): unknown {
    return this.#viewer.state.toJSON();
  }

  follow(state: unknown): void {
    if (typeof state !== 'object' || state === null) return;
    const theirs = state as Readonly<Record<string, unknown>>;
    const kept = Object.fromEntries(
      VIEW_KEYS.flatMap((key) => (theirs[key] === undefined ? [] : [[key, theirs[key]]])),
    );
    const own = this.#viewer.state.toJSON() as Readonly<Record<string, unknown>>;
    for (const key of ['crossSectionOrientation', 'projectionOrientation'])
      if (kept[key] === undefined && own[key] !== undefined) kept[key] = [0, 0, 0, 1];
    this.#restore(kept);
  }

  /** Only what is named: Neuroglancer's own `restoreState` puts all the rest back to how it began. */
  #restore(state: Readonly<Record<string, unknown>>): void {
    for (const [key, value] of Object.entries(state)) this.#viewer.state.children.get(key)?.restoreState(value);
  }

  bind(keys: readonly KeyBinding[]): () => void {
    this.#keys.push(...keys);
    for (const { key, run } of keys) {
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
      for (const binding of keys) {
        this.#keys.splice(this.#keys.indexOf(binding), 1);
        this.#viewer.inputEventBindings.global.delete(binding.key);
      }
    };
  }

  get keys(): readonly KeyBinding[] {
    return this.#keys;
  }

  say(text: string, kind: 'info' | 'error' = 'info'): void {
    StatusMessage.showTemporaryMessage(text, SAID_MS[kind]);
  }
}
