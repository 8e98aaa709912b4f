/** The row of tools above the view. */
import type { JSX } from 'preact';
import { Icon } from './icons.tsx';
import { BRUSHES, legalRadius, RADIUS, SEED_COLORS, type ToolName, type ToolState } from './tool-state.ts';

/** What the buttons do. */
export interface ToolActions {
  take(tool: ToolName): void;
  undo(): void;
  redo(): void;
  /** Splits by the seeds that were drawn. */
  split(): void;
  /** Forgets seeds and marks. */
  clear(): void;
}

/** How tools are called, and the keys that take them. */
const TOOLS: readonly {
  readonly name: ToolName;
  readonly title: string;
  readonly help: string;
  readonly key: string;
}[] = [
  { name: 'pointer', title: 'Pointer', help: 'Look around and select', key: 'Esc' },
  { name: 'merge', title: 'Merge', help: 'Click on two segments to merge them; M does it without the tool', key: 'M' },
  {
    name: 'cleave',
    title: 'Cleave',
    help: 'Click on a base segment to take it out of its body; C does it without the tool',
    key: 'C',
  },
  { name: 'seeds', title: 'Split by seeds', help: 'Draw what stays and what leaves, then Enter', key: 'G' },
  { name: 'cut', title: 'Split by brush', help: 'Paint over what leaves its segment', key: 'J' },
  { name: 'paint', title: 'Paint', help: 'Paint a segment; Alt+click picks it', key: 'D' },
  { name: 'erase', title: 'Erase', help: 'Paint the background', key: 'W' },
];

/** The toolbar. */
export function Toolbar({ state, actions }: { readonly state: ToolState; readonly actions: ToolActions }): JSX.Element {
  const tool = state.tool.value;
  const reason = state.whyNot('paint');
  return (
    <div class="tools" role="toolbar" aria-label="Proofreading">
      <div class="tools-group" role="radiogroup" aria-label="Tool" onKeyDown={moveInGroup}>
        {TOOLS.map((item) => (
          <ToolButton key={item.name} item={item} state={state} take={actions.take} />
        ))}
      </div>
      <div class="tools-group">
        <StepButton name="undo" title="Undo (Ctrl+Z)" can={state.canUndo.value} reason={reason} run={actions.undo} />
        <StepButton
          name="redo"
          title="Redo (Ctrl+Shift+Z)"
          can={state.canRedo.value}
          reason={reason}
          run={actions.redo}
        />
      </div>
      <LayerChoice state={state} />
      {BRUSHES.has(tool) ? <BrushOptions state={state} /> : null}
      {tool === 'paint' ? <ValueOption state={state} /> : null}
      {tool === 'seeds' ? <SeedOptions state={state} actions={actions} /> : null}
    </div>
  );
}

interface ToolButtonProps {
  readonly item: (typeof TOOLS)[number];
  readonly state: ToolState;
  readonly take: (tool: ToolName) => void;
}

function ToolButton({ item: { name, title, help, key }, state, take }: ToolButtonProps): JSX.Element {
  const isTaken = state.tool.value === name;
  const reason = state.whyNot(name);
  // Not `disabled`: who goes through with the keyboard is to hear why.
  return (
    // biome-ignore lint/a11y/useSemanticElements: a radio input that is off cannot be reached, and so not tell why
    <button
      type="button"
      role="radio"
      class="tools-button"
      data-tool={name}
      aria-checked={isTaken}
      aria-disabled={reason !== undefined}
      aria-label={title}
      aria-description={reason ?? help}
      aria-keyshortcuts={key === 'Esc' ? 'Escape' : key}
      tabIndex={isTaken ? 0 : -1}
      title={`${title} (${key})\n${reason ?? help}`}
      onClick={() => take(name)}
    >
      <Icon name={name} />
    </button>
  );
}

/** Arrows go through the tools, as in any group of which one is chosen. */
function moveInGroup(event: KeyboardEvent): void {
  const step = event.key === 'ArrowRight' || event.key === 'ArrowDown' ? 1 : -1;
  if (!event.key.startsWith('Arrow') || !(event.currentTarget instanceof HTMLElement)) return;
  const buttons = [...event.currentTarget.querySelectorAll<HTMLElement>('[role=radio]')];
  const { activeElement } = document;
  const at = activeElement instanceof HTMLElement ? buttons.indexOf(activeElement) : 0;
  buttons[(at + step + buttons.length) % buttons.length]?.focus();
  event.preventDefault();
  event.stopPropagation();
}

interface StepButtonProps {
  readonly name: 'undo' | 'redo';
  readonly title: string;
  readonly can: boolean;
  readonly reason: string | undefined;
  readonly run: () => void;
}

function StepButton({ name, title, can, reason, run }: StepButtonProps): JSX.Element {
  const none = name === 'undo' ? 'You have made no edit here yet.' : 'Nothing was undone.';
  return (
    <button
      type="button"
      class="tools-button"
      data-tool={name}
      disabled={!can}
      aria-label={name === 'undo' ? 'Undo' : 'Redo'}
      title={can ? title : `${title}\n${reason ?? none}`}
      onClick={run}
    >
      <Icon name={name} />
    </button>
  );
}

/** Which layer is edited, where there are several. */
function LayerChoice({ state }: { readonly state: ToolState }): JSX.Element | null {
  const volumes = state.volumes.value;
  const target = state.target.value;
  if (volumes.length < 2 || target === undefined) return null;
  return (
    <select
      class="tools-select"
      aria-label="Layer that is edited"
      title="Layer that is edited"
      value={target.name}
      onChange={({ currentTarget }) => {
        state.chosen.value = currentTarget.value;
      }}
    >
      {volumes.map(({ name }) => (
        <option key={name} value={name}>
          {name}
        </option>
      ))}
    </select>
  );
}

/** The slider goes by factors: small brushes are set as finely as large ones. */
const STEPS = 40;
const ratio = Math.log(RADIUS.max / RADIUS.min);

function BrushOptions({ state }: { readonly state: ToolState }): JSX.Element {
  const radius = state.radius.value;
  const set = (value: number): void => {
    state.radius.value = legalRadius(value);
  };
  return (
    <div class="tools-group">
      <input
        class="tools-slider"
        type="range"
        min={0}
        max={STEPS}
        value={Math.round((Math.log(radius / RADIUS.min) / ratio) * STEPS)}
        aria-label="Radius of the brush"
        aria-valuetext={`${radius} voxels`}
        title="Radius of the brush: [ smaller, ] larger"
        onInput={({ currentTarget }) => set(RADIUS.min * Math.exp((Number(currentTarget.value) / STEPS) * ratio))}
      />
      <input
        class="tools-number"
        type="number"
        min={RADIUS.min}
        max={RADIUS.max}
        step="any"
        value={radius}
        aria-label="Radius of the brush in voxels"
        title="Radius in voxels, along the axis with the finest ones"
        onChange={({ currentTarget }) => {
          set(Number(currentTarget.value));
          currentTarget.value = String(state.radius.value);
        }}
      />
      <Choice
        label="Shape of the brush"
        value={state.shape.value}
        options={[
          { value: 'disc', text: 'disc', title: 'Paints on this slice alone' },
          { value: 'ball', text: 'ball', title: 'Paints on the slices around it, too' },
        ]}
        choose={(value) => {
          state.shape.value = value;
        }}
      />
    </div>
  );
}

interface ChoiceProps<Value extends string | number> {
  readonly label: string;
  readonly value: Value;
  readonly options: readonly {
    readonly value: Value;
    readonly text: string;
    readonly title: string;
    readonly color?: string;
  }[];
  readonly choose: (value: Value) => void;
}

function Choice<Value extends string | number>({ label, value, options, choose }: ChoiceProps<Value>): JSX.Element {
  return (
    <fieldset class="tools-choice" aria-label={label}>
      {options.map((option) => (
        <button
          key={option.value}
          type="button"
          class="tools-option"
          data-value={option.value}
          aria-pressed={option.value === value}
          title={option.title}
          onClick={() => choose(option.value)}
        >
          {option.color === undefined ? null : (
            <span class="tools-dot" style={{ background: option.color }} aria-hidden="true" />
          )}
          {option.text}
        </button>
      ))}
    </fieldset>
  );
}

/** What is painted: a segment, a new one, or a grey value. */
function ValueOption({ state }: { readonly state: ToolState }): JSX.Element | null {
  const target = state.target.value;
  if (target === undefined) return null;
  if (target.info.type !== 'segmentation') return <GreyOption state={state} />;
  const value = state.value.value;
  const color = value === 'new' ? undefined : target.colorOf(target.channel?.view.rootOf(value) ?? value);
  return (
    <div class="tools-group">
      <span class="tools-value" title="What is painted. I, or Alt+click, picks the segment under the pointer">
        <span class="tools-dot" style={{ background: color ?? '#f4f4f4' }} aria-hidden="true" />
        {value === 'new' ? 'new segment' : String(value)}
      </span>
      <button
        type="button"
        class="tools-option"
        data-value="new"
        aria-pressed={value === 'new'}
        title="The next stroke begins a segment that has no id yet"
        onClick={() => {
          state.value.value = 'new';
        }}
      >
        new
      </button>
    </div>
  );
}

function GreyOption({ state }: { readonly state: ToolState }): JSX.Element {
  const type = state.target.value?.info.dtype ?? 'uint8';
  const [min, max] = rangeOf(type);
  return (
    <input
      class="tools-number tools-grey"
      type="number"
      min={min}
      max={max}
      step={1}
      placeholder="grey"
      value={state.grey.value ?? ''}
      aria-label="Grey value that is painted"
      title={`Grey value that is painted, ${min} to ${max}`}
      onChange={({ currentTarget: { value } }) => {
        const grey = Math.round(Number(value));
        state.grey.value = value === '' || !(grey >= min && grey <= max) ? undefined : grey;
      }}
    />
  );
}

function rangeOf(dtype: string): readonly [number, number] {
  const bits = Math.min(52, Number(/\d+$/.exec(dtype)?.[0] ?? 8));
  return dtype.startsWith('u') ? [0, 2 ** bits - 1] : [-(2 ** (bits - 1)), 2 ** (bits - 1) - 1];
}

function SeedOptions({ state, actions }: { readonly state: ToolState; readonly actions: ToolActions }): JSX.Element {
  return (
    <div class="tools-group">
      <Choice
        label="Seeds that are drawn"
        value={state.group.value}
        options={[
          { value: 1, text: 'stays', title: 'Draw what stays (Q changes)', color: SEED_COLORS[1] },
          { value: 2, text: 'leaves', title: 'Draw what leaves (Q changes)', color: SEED_COLORS[2] },
        ]}
        choose={(value) => {
          state.group.value = value;
        }}
      />
      <button
        type="button"
        class="tools-option tools-go"
        data-tool="split"
        disabled={!state.canSplit.value}
        title="Split (Enter)"
        onClick={actions.split}
      >
        Split
      </button>
      <button
        type="button"
        class="tools-option"
        data-tool="clear"
        title="Forget the seeds (Esc)"
        onClick={actions.clear}
      >
        Clear
      </button>
    </div>
  );
}
