/** The row of tools above the view. */
import type { JSX } from 'preact';
import { Icon } from './icons.tsx';
import { type SeedActions, ToolOptions } from './tool-options.tsx';
import type { ToolName, ToolState } from './tool-state.ts';

/** What the buttons do. */
export interface ToolActions extends SeedActions {
  take(tool: ToolName): void;
  undo(): void;
  redo(): void;
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
      <ToolOptions state={state} actions={actions} />
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
