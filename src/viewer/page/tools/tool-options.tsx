/** How the tool that is taken is set: the brush, what is painted, and seeds. */
import type { JSX } from 'preact';
import { BRUSHES, legalRadius, RADIUS, SEED_COLORS, type ToolState } from './tool-state.ts';

/** What is done with seeds. */
export interface SeedActions {
  /** Splits by the seeds that were drawn. */
  split(): void;
  /** Forgets seeds and marks. */
  clear(): void;
}

interface OptionProps {
  readonly state: ToolState;
  readonly actions: SeedActions;
}

/** The options of the tool that is taken; nothing where it has none. */
export function ToolOptions({ state, actions }: OptionProps): JSX.Element {
  const tool = state.tool.value;
  return (
    <>
      {BRUSHES.has(tool) ? <BrushOptions state={state} /> : null}
      {tool === 'paint' ? <ValueOption state={state} /> : null}
      {tool === 'seeds' ? <SeedOptions state={state} actions={actions} /> : null}
    </>
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

function SeedOptions({ state, actions }: OptionProps): JSX.Element {
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
