/** A stage without a screen, for tests of what panels and tools do with one. */
import type { ChannelInfo } from '../../protocol/index.ts';
import { Emitter } from '../../src/client/events.ts';
import type { LiveChannel } from '../../src/client/index.ts';
import type { Place, StageEvents, StageLook, StageVolume } from '../../src/viewer/page/stage.ts';

/** What of a channel's info a stage needs: voxels of some nm. */
export function fakeInfo(path: string, voxel: readonly [number, number, number] = [10, 10, 10]): ChannelInfo {
  const mip = { mip: 0, shape: [100, 100, 100], chunk: [32, 32, 32], voxel, offset: [0, 0, 0] };
  const about = { path, kind: 'channel', type: 'segmentation', dtype: 'uint32', enc: ['raw'], source: 'hdf5' };
  const log = { editable: true, epoch: new Uint8Array(8), first: 1, head: 0, tables: {} };
  return { ...about, mips: [mip], ...log } as unknown as ChannelInfo; // all that is read of it
}

/** A layer of it. */
export interface FakeVolume extends StageVolume {
  selected: readonly bigint[];
}

/** A layer that shows a channel. @param roots the bodies of ids that are not their own. */
export function fakeVolume(name: string, path: string, roots: ReadonlyMap<bigint, bigint> = new Map()): FakeVolume {
  const channel = { path, view: { rootOf: (id: bigint) => roots.get(id) ?? id } } as unknown as LiveChannel; // no more is asked
  const layer = { name, path, info: fakeInfo(path), channel, isVisible: true, hovered: undefined };
  return { ...layer, selected: [], colorOf: () => undefined };
}

/** The stage. */
export class FakeStage {
  volumes: readonly FakeVolume[] = [];
  look: StageLook = { place: [0, 0, 0], nmPerPixel: 10, nmDeep: 1_000 };
  pointer: Place | undefined;
  readonly said: string[] = [];
  readonly #events = new Emitter<Record<keyof StageEvents, undefined>>();

  on<Name extends keyof StageEvents>(name: Name, listener: () => void): () => void {
    return this.#events.on(name, listener);
  }

  emit(name: keyof StageEvents): void {
    this.#events.emit(name, undefined);
  }

  /** As Neuroglancer: tells of the change at once. */
  follow(look: StageLook): void {
    this.look = look;
    this.emit('view');
  }

  goTo(place: Place, nmPerPixel: number = this.look.nmPerPixel): void {
    this.follow({ ...this.look, place, nmPerPixel });
  }

  select(name: string, ids: readonly bigint[], { only = false }: { readonly only?: boolean } = {}): void {
    for (const volume of this.volumes)
      if (volume.name === name) volume.selected = [...new Set([...(only ? [] : volume.selected), ...ids])];
    this.emit('volumes');
  }

  say(text: string): void {
    this.said.push(text);
  }
}
