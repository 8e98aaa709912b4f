/** The tools of proofreading: merge, cleave, split, paint, erase, undo and redo. */
import './tools.css';
import { effect, untracked } from '@preact/signals';
import { render } from 'preact';
import type { KeyBinding, StagePanel } from '../stage.ts';
import type { VolumeView } from '../volume/volume-view.ts';
import { BodyTool } from './body-tool.ts';
import { OwnEdits } from './own-edits.ts';
import { type Drag, PanelPointers } from './panel-pointer.ts';
import { reasonOf } from './say-refusal.ts';
import type { Strokes } from './strokes.ts';
import { BRUSHES, DOES, DRAWS, nextRadius, type ToolName, ToolState } from './tool-state.ts';
import { Toolbar } from './toolbar.tsx';

/** A stroke of which nothing comes. */
const NO_STROKE: Drag = { to: () => {}, end: () => {}, cancel: () => {} };
/** When the code of the brushes is fetched, after the view has begun, ms. */
const LOAD_MS = 15_000;

/** Starts the tools on a view. @returns a function that ends them. */
export function startTools(view: VolumeView): () => void {
  const tools = new Tools(view);
  return () => tools.end();
}

/** All tools of one view. */
class Tools {
  readonly #view: VolumeView;
  readonly #state = new ToolState();
  /** Comes once the view is there: it is not needed to look. */
  #strokes: Strokes | undefined;
  #coming: Promise<Strokes | undefined> | undefined;
  readonly #bodies: BodyTool;
  readonly #own: OwnEdits;
  readonly #pointers: PanelPointers;
  readonly #bar = document.createElement('div');
  readonly #line = document.createElement('output');
  readonly #ends: (() => void)[] = [];
  #isOver = false;

  constructor(view: VolumeView) {
    this.#view = view;
    const { stage } = view;
    const state = this.#state;
    this.#bodies = new BodyTool(view, state);
    this.#own = new OwnEdits(() => this.#told());
    this.#pointers = new PanelPointers(stage, {
      begin: (panel) => this.#begin(panel),
      click: (isMarking) => this.#click(isMarking),
      over: (panel, place) => this.#strokes?.over(panel, place),
    });
    this.#show();
    const looked = (): void => this.#look();
    this.#ends.push(stage.on('volumes', looked), view.past.on(looked), stage.bind(this.#keys()));
    this.#ends.push(
      effect(() => this.#follow()),
      // Whoever places an annotation has let the tools go.
      effect(() => {
        if (view.tool.value === 'annotate' && state.tool.peek() !== 'pointer') untracked(() => this.#take('pointer'));
      }),
    );
    const timer = setTimeout(() => void this.#load(), LOAD_MS);
    this.#ends.push(() => clearTimeout(timer));
    this.#look();
  }

  end(): void {
    this.#isOver = true;
    for (const end of this.#ends) end();
    this.#bodies.forget();
    this.#pointers.end();
    this.#strokes?.end();
    this.#own.end();
    render(null, this.#bar);
    this.#bar.remove();
    this.#line.remove();
    this.#view.tool.value = '';
  }

  #show(): void {
    const { bar, stage } = this.#view;
    this.#bar.className = 'tools-place';
    this.#line.className = 'tools-line';
    this.#line.setAttribute('role', 'status');
    stage.element.append(this.#line);
    bar.append(this.#bar);
    const actions = {
      take: (tool: ToolName) => this.#take(tool),
      undo: () => this.#step('undo'),
      redo: () => this.#step('redo'),
      split: () => this.#strokes?.split(),
      clear: () => void this.#strokes?.clear(),
    };
    render(<Toolbar state={this.#state} actions={actions} />, this.#bar);
  }

  /** Layers, and what of them can be edited, may be others now. */
  #look(): void {
    const { stage, past } = this.#view;
    const state = this.#state;
    state.past.value = past.at;
    state.volumes.value = stage.volumes;
    this.#own.follow(stage.volumes.flatMap(({ channel }) => (channel === undefined ? [] : [channel])));
    this.#told();
    if (state.whyNot(state.tool.value) !== undefined) this.#take('pointer');
  }

  #told(): void {
    const isNow = this.#state.past.value === undefined;
    this.#state.canUndo.value = isNow && this.#own.canUndo;
    this.#state.canRedo.value = isNow && this.#own.canRedo;
  }

  /** What the tools show of their state besides the toolbar. */
  #follow(): void {
    const { tool, marked, radius, shape, value } = this.#state;
    void [radius.value, shape.value, value.value];
    // What others say of it while no tool is taken is theirs.
    if (tool.value !== 'pointer' || this.#view.tool.peek() !== 'annotate') this.#view.tool.value = DOES[tool.value];
    this.#view.stage.element.dataset['draws'] = String(DRAWS.has(tool.value));
    this.#strokes?.change();
    this.#line.textContent = lineOf(tool.value, marked.value, this.#state);
  }

  #take(tool: ToolName): void {
    const state = this.#state;
    const reason = state.whyNot(tool);
    if (reason !== undefined) return this.#view.stage.say(reason);
    this.#pointers.cancel();
    if (tool !== 'seeds') this.#strokes?.clear();
    if (tool === 'pointer' || DRAWS.has(tool)) this.#bodies.forget();
    state.tool.value = state.tool.value === tool ? 'pointer' : tool;
    if (DRAWS.has(tool)) void this.#load();
  }

  /** What draws on slices. @returns undefined, and says so, where it cannot be had now. */
  #load(): Promise<Strokes | undefined> {
    this.#coming ??= import('./strokes.ts').then(
      (module) => {
        if (!this.#isOver) this.#strokes = new module.Strokes(this.#view, this.#state, this.#own);
        return this.#strokes;
      },
      () => {
        this.#coming = undefined;
        if (!DRAWS.has(this.#state.tool.value)) return undefined;
        this.#state.tool.value = 'pointer';
        this.#view.stage.say('The brushes could not be loaded: the server does not answer.', 'error');
        return undefined;
      },
    );
    return this.#coming;
  }

  #begin(panel: StagePanel): Drag | undefined {
    const tool = this.#state.tool.value;
    if (!DRAWS.has(tool)) return undefined;
    const reason = this.#state.whyNot(tool);
    // Who holds a brush does not mean to move the view.
    if (reason === undefined) return this.#strokes?.begin(panel) ?? NO_STROKE;
    this.#view.stage.say(reason);
    return NO_STROKE;
  }

  #click(isMarking: boolean): boolean {
    const tool = this.#state.tool.value;
    if (tool === 'merge' && !isMarking) this.#bodies.merge();
    else if (tool === 'cleave' && !isMarking) this.#bodies.cleave();
    else if (isMarking && (tool === 'merge' || tool === 'cleave')) this.#bodies.mark();
    else if (isMarking && tool === 'paint') this.#bodies.pick();
    else return false;
    return true;
  }

  #step(step: 'undo' | 'redo'): void {
    const { stage } = this.#view;
    const isNone = step === 'undo' ? !this.#own.canUndo : !this.#own.canRedo;
    // Of layers that may not be edited that is said; what was done in others is undone all the same.
    const reason = this.#state.past.value === undefined && !isNone ? undefined : this.#state.whyNot('paint');
    if (reason !== undefined) return stage.say(reason);
    const what = step === 'undo' ? 'Undone' : 'Redone';
    this.#own[step]().then(
      (result) => stage.say(result === undefined ? `There is nothing to ${step}.` : `${what}.`),
      (error: unknown) => stage.say(`Not ${what.toLowerCase()}: ${reasonOf(error)}`, 'error'),
    );
  }

  /** What Escape gives up; false: nothing. */
  #canEscape(): boolean {
    const { tool, marked } = this.#state;
    return (
      this.#pointers.isDrawing ||
      this.#strokes?.hasSeeds === true ||
      marked.value.length > 0 ||
      tool.value !== 'pointer'
    );
  }

  #escape(): void {
    if (this.#pointers.cancel() || this.#strokes?.clear() === true || this.#bodies.forget()) return;
    this.#take('pointer');
  }

  #resize(step: 1 | -1): void {
    const { radius } = this.#state;
    radius.value = nextRadius(radius.value, step);
  }

  #keys(): KeyBinding[] {
    const isBrush = (): boolean => BRUSHES.has(this.#state.tool.value);
    const isSeeds = (): boolean => this.#state.tool.value === 'seeds';
    const always = (): boolean => true;
    const take = (tool: ToolName) => () => this.#take(tool);
    const { group } = this.#state;
    return [
      { key: 'keym', help: 'merge: first press marks, second press merges', run: () => this.#bodies.merge() },
      { key: 'keyc', help: 'cleave the base segment under the pointer', run: () => this.#bodies.cleave() },
      { key: 'keyk', help: 'mark one more for the next merge or cleave', run: () => this.#bodies.mark() },
      { key: 'keyg', help: 'split by seeds', run: take('seeds') },
      { key: 'keyj', help: 'split by brush', run: take('cut') },
      { key: 'keyd', help: 'paint', run: take('paint') },
      { key: 'keyw', help: 'erase', run: take('erase') },
      { key: 'keyi', help: 'pick the segment that is painted', run: () => this.#bodies.pick() },
      { key: 'bracketleft', help: 'smaller brush', when: isBrush, run: () => this.#resize(-1) },
      { key: 'bracketright', help: 'larger brush', when: isBrush, run: () => this.#resize(1) },
      {
        key: 'keyq',
        help: 'seeds: change between what stays and what leaves',
        when: isSeeds,
        run: () => {
          group.value = group.value === 1 ? 2 : 1;
        },
      },
      { key: 'enter', help: 'split by the seeds', when: isSeeds, run: () => this.#strokes?.split() },
      {
        key: 'escape',
        help: 'give up: stroke, seeds, marks, tool',
        when: () => this.#canEscape(),
        run: () => this.#escape(),
      },
      { key: 'control+keyz', help: 'undo your newest edit', when: always, run: () => this.#step('undo') },
      { key: 'control+shift+keyz', help: 'redo', when: always, run: () => this.#step('redo') },
    ];
  }
}

/** What the line over the view says. */
function lineOf(tool: ToolName, marked: readonly bigint[], { group, canSplit }: ToolState): string {
  if (marked.length > 0) {
    const them = marked.length === 1 ? 'it' : 'them';
    const next = tool === 'cleave' ? `the next one leaves with ${them}` : `M merges ${them} with the next, C cleaves`;
    return `Marked: ${marked.join(', ')} · ${next} · Esc forgets`;
  }
  if (tool === 'merge') return 'Click on the first segment, then on the second';
  if (tool === 'cleave') return 'Click on the base segment that leaves its body · Alt+click marks several';
  if (tool !== 'seeds') return '';
  if (canSplit.value) return 'Enter splits · Esc clears';
  return group.value === 1 ? 'Draw over what stays' : 'Draw over what leaves';
}
