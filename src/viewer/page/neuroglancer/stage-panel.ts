/** One panel of Neuroglancer as a StagePanel: where places are on it. */

import type { RenderedPanel } from 'neuroglancer/unstable/display_context.js';
import { PerspectivePanel } from 'neuroglancer/unstable/perspective_view/panel.js';
import type { ProjectionParameters } from 'neuroglancer/unstable/projection_parameters.js';
import { SliceViewPanel } from 'neuroglancer/unstable/sliceview/panel.js';
import { mat4, vec3 } from 'neuroglancer/unstable/util/geom.js';
import type { Place, StagePanel } from '../stage.ts';

/** Nanometres of a metre, in which Neuroglancer counts. */
const NM = 1e9;

/** The panel as panels and tools know it; undefined for one that shows no volume. */
export function stagePanel(panel: RenderedPanel): StagePanel | undefined {
  if (panel instanceof SliceViewPanel) return new SlicePanel(panel);
  return panel instanceof PerspectivePanel ? new SpacePanel(panel) : undefined;
}

/** Scales and order of the displayed dimensions. */
class Axes {
  readonly parameters: ProjectionParameters;

  constructor(parameters: ProjectionParameters) {
    this.parameters = parameters;
  }

  /** Displayed coordinates of a place. The dimensions are x, y and z, in any order. */
  shown(place: Place): vec3 {
    const { displayDimensionIndices, displayDimensionScales } = this.parameters.displayDimensionRenderInfo;
    const at = (dim: number): number =>
      (place[displayDimensionIndices[dim] ?? -1] ?? 0) / ((displayDimensionScales[dim] ?? 1) * NM);
    return vec3.fromValues(at(0), at(1), at(2));
  }

  /** The place of displayed coordinates. */
  place(shown: vec3): Place {
    const { displayDimensionIndices, displayDimensionScales } = this.parameters.displayDimensionRenderInfo;
    const place: [number, number, number] = [0, 0, 0];
    for (let dim = 0; dim < 3; dim++) {
      const axis = displayDimensionIndices[dim] ?? -1;
      if (axis >= 0 && axis < 3) place[axis] = (shown[dim] ?? 0) * (displayDimensionScales[dim] ?? 1) * NM;
    }
    return place;
  }
}

class SlicePanel implements StagePanel {
  readonly kind = 'slice';
  readonly element: HTMLElement;
  readonly #panel: SliceViewPanel;

  constructor(panel: SliceViewPanel) {
    this.#panel = panel;
    this.element = panel.element;
  }

  get #axes(): Axes {
    return new Axes(this.#panel.sliceView.projectionParameters.value);
  }

  project(place: Place): { x: number; y: number; depth: number } | undefined {
    const axes = this.#axes;
    const at = vec3.transformMat4(vec3.create(), axes.shown(place), axes.parameters.viewMatrix);
    const { clientWidth, clientHeight } = this.element;
    const x = at[0] + clientWidth / 2;
    const y = at[1] + clientHeight / 2;
    if (x < 0 || y < 0 || x > clientWidth || y > clientHeight) return undefined;
    return { x, y, depth: at[2] * this.nmPerPixel };
  }

  unproject(x: number, y: number): Place {
    const { clientWidth, clientHeight } = this.element;
    return this.#placeAt(x - clientWidth / 2, y - clientHeight / 2, 0);
  }

  #placeAt(x: number, y: number, z: number): Place {
    const axes = this.#axes;
    return axes.place(vec3.transformMat4(vec3.create(), vec3.fromValues(x, y, z), axes.parameters.invViewMatrix));
  }

  get axes(): readonly [Place, Place, Place] {
    const origin = this.#placeAt(0, 0, 0);
    const toward = (x: number, y: number, z: number): Place => unit(difference(this.#placeAt(x, y, z), origin));
    return [toward(1, 0, 0), toward(0, 1, 0), toward(0, 0, 1)];
  }

  get nmPerPixel(): number {
    return length(difference(this.#placeAt(1, 0, 0), this.#placeAt(0, 0, 0)));
  }
}

class SpacePanel implements StagePanel {
  readonly kind = '3d';
  readonly element: HTMLElement;
  readonly axes: readonly [Place, Place, Place] = [
    [1, 0, 0],
    [0, 1, 0],
    [0, 0, 1],
  ];
  readonly #panel: PerspectivePanel;

  constructor(panel: PerspectivePanel) {
    this.#panel = panel;
    this.element = panel.element;
  }

  project(place: Place): { x: number; y: number; depth: number } | undefined {
    const parameters = this.#panel.projectionParameters.value;
    const shown = new Axes(parameters).shown(place);
    const clip = mat4.clone(parameters.viewProjectionMat);
    const at = vec3.transformMat4(vec3.create(), shown, clip);
    if (Math.abs(at[0]) > 1 || Math.abs(at[1]) > 1 || Math.abs(at[2]) > 1) return undefined;
    const { clientWidth, clientHeight } = this.element;
    return { x: ((at[0] + 1) / 2) * clientWidth, y: ((1 - at[1]) / 2) * clientHeight, depth: 0 };
  }

  unproject(): undefined {
    return undefined;
  }

  get nmPerPixel(): number {
    return 0;
  }
}

function difference(a: Place, b: Place): Place {
  return [a[0] - b[0], a[1] - b[1], a[2] - b[2]];
}

function length(a: Place): number {
  return Math.hypot(...a);
}

function unit(a: Place): Place {
  const size = length(a) || 1;
  return [a[0] / size, a[1] / size, a[2] / size];
}
