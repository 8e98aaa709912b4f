/** The cursors of the others over the panels: an arrow and a name each, moved by transforms alone. */
import { onNextFrame } from '../next-frame.ts';
import type { Place, Stage, StagePanel } from '../stage.ts';
import { Glide } from './glide.ts';
import { inkOn, type Person } from './person.ts';
import { type Spot, spotOn } from './spot.ts';

/** One person's mark on one panel. */
interface Mark {
  readonly element: HTMLElement;
  readonly label: HTMLElement;
  /** Name and colour that it has. */
  whose: string;
}

/** What lies over one panel. */
interface Layer {
  readonly element: HTMLElement;
  readonly marks: Map<string, Mark>;
}

/** Where a cursor is, and whose. */
interface Cursor {
  person: Person;
  readonly glide: Glide;
}

/** The marks of a stage. */
export class CursorMarks {
  readonly #stage: Stage;
  readonly #layers = new Map<HTMLElement, Layer>();
  readonly #cursors = new Map<string, Cursor>();
  readonly #frame = onNextFrame(() => this.#place());
  readonly #isCalm = matchMedia('(prefers-reduced-motion: reduce)');
  readonly #end: () => void;

  constructor(stage: Stage) {
    this.#stage = stage;
    this.#end = stage.on('drawn', () => this.#place());
  }

  /** These are there now. */
  show(people: readonly Person[]): void {
    const now = performance.now();
    const gone = new Set(this.#cursors.keys());
    for (const person of people) {
      if (person.cursor === undefined) continue;
      gone.delete(person.key);
      const known = this.#cursors.get(person.key);
      if (known === undefined) this.#cursors.set(person.key, { person, glide: new Glide(person.cursor) });
      else {
        known.person = person;
        known.glide.moveTo(person.cursor, this.#isCalm.matches ? Number.NEGATIVE_INFINITY : now);
      }
    }
    for (const key of gone) this.#cursors.delete(key);
    this.#frame.ask();
  }

  end(): void {
    this.#end();
    this.#frame.cancel();
    for (const { element } of this.#layers.values()) element.remove();
  }

  /** First all places are looked up, then all marks are moved: nothing is laid out in between. */
  #place(): void {
    this.#frame.cancel();
    if (this.#cursors.size === 0 && this.#layers.size === 0) return;
    const now = performance.now();
    const { panels } = this.#stage;
    const spots = panels.map((panel) => this.#spots(panel, now));
    for (const [i, panel] of panels.entries()) this.#draw(panel, spots[i] ?? new Map());
    this.#forget(panels);
    for (const { glide } of this.#cursors.values()) if (glide.isMoving(now)) return this.#frame.ask();
  }

  #spots(panel: StagePanel, now: number): Map<string, Spot> {
    const { nmPerPixel } = panel;
    const spots = new Map<string, Spot>();
    for (const [key, { glide }] of this.#cursors) {
      const spot = spotOn(panel, glide.at(now) satisfies Place, nmPerPixel);
      if (spot !== undefined) spots.set(key, spot);
    }
    return spots;
  }

  #draw(panel: StagePanel, spots: ReadonlyMap<string, Spot>): void {
    const layer = this.#layers.get(panel.element) ?? this.#makeLayer(panel);
    for (const [key, mark] of layer.marks) {
      if (this.#cursors.has(key)) continue;
      mark.element.remove();
      layer.marks.delete(key);
    }
    for (const [key, { person }] of this.#cursors) {
      const spot = spots.get(key);
      const mark = layer.marks.get(key) ?? (spot === undefined ? undefined : makeMark(layer, key));
      if (mark !== undefined) drawMark(mark, person, spot);
    }
  }

  #makeLayer({ element: panel }: StagePanel): Layer {
    const element = document.createElement('div');
    element.className = 'people-layer';
    // The list of who is here tells the same in words.
    element.setAttribute('aria-hidden', 'true');
    panel.append(element);
    const layer = { element, marks: new Map() };
    this.#layers.set(panel, layer);
    return layer;
  }

  #forget(panels: readonly StagePanel[]): void {
    for (const [panel, { element }] of this.#layers) {
      if (panels.some((one) => one.element === panel)) continue;
      element.remove();
      this.#layers.delete(panel);
    }
  }
}

const ARROW =
  '<svg width="14" height="18" viewBox="0 0 14 18"><path d="M1 1v14l4-4 2.5 6 2.4-1L7.5 10H13z" fill="currentColor" stroke="#fff" stroke-width="1"/></svg>';

function makeMark(layer: Layer, key: string): Mark {
  const element = document.createElement('div');
  element.className = 'people-cursor';
  element.innerHTML = ARROW;
  const label = document.createElement('span');
  element.append(label);
  layer.element.append(element);
  const mark = { element, label, whose: '' };
  layer.marks.set(key, mark);
  return mark;
}

function drawMark(mark: Mark, { name, color }: Person, spot: Spot | undefined): void {
  const { element, label } = mark;
  const { style } = element;
  if (spot === undefined) {
    style.visibility = 'hidden';
    return;
  }
  style.visibility = 'visible';
  style.transform = `translate(${spot.x.toFixed(1)}px,${spot.y.toFixed(1)}px)`;
  style.opacity = spot.opacity.toFixed(2);
  if (mark.whose === `${name} ${color}`) return;
  mark.whose = `${name} ${color}`;
  if (label.textContent !== name) label.textContent = name;
  style.color = color;
  label.style.background = color;
  label.style.color = inkOn(color);
}
