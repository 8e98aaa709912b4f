/** The section of the dock: what can be placed, and the list of what is there. */
import { useSignal } from '@preact/signals';
import type { JSX } from 'preact';
import { DockSection } from '../volume/dock-section.tsx';
import { AnnotationList } from './annotation-list.tsx';
import type { Annotations } from './annotations.ts';
import type { ShapeFilter } from './filter-shapes.ts';
import { Icon } from './icons.tsx';
import { PLACED_KINDS } from './placing.ts';
import { SHAPE_KINDS } from './shape.ts';

/** Key of each kind, as it is written on keyboards. */
export const KIND_KEYS = { point: 'P', line: 'T', box: 'U', synapse: 'Y' } as const;

/** @param annotations of the view. */
export function AnnotationSection({ annotations }: { readonly annotations: Annotations }): JSX.Element {
  const filter = useSignal<ShapeFilter>({ text: '', kind: 'all' });
  void annotations.version.value;
  const rows = annotations.rows.value;
  const count = rows.reduce((sum, { store }) => sum + store.count, 0);
  const total = rows.reduce((sum, row) => sum + row.total, 0);
  const isPartial = rows.some((row) => row.isPartial);
  const shown = `${count.toLocaleString('en')}${isPartial ? ` of ${total.toLocaleString('en')}` : ''}`;
  return (
    <DockSection title="Annotations" name="annotations" count={shown}>
      <KindButtons annotations={annotations} />
      <TargetChoice annotations={annotations} />
      <div class="annotation-filter">
        <input
          type="search"
          placeholder="Filter"
          aria-label="Filter annotations by words"
          value={filter.value.text}
          onInput={({ currentTarget: { value } }) => {
            filter.value = { ...filter.value, text: value };
          }}
        />
        <select
          aria-label="Filter annotations by kind"
          value={filter.value.kind}
          onChange={({ currentTarget: { value } }) => {
            filter.value = { ...filter.value, kind: SHAPE_KINDS.find((kind) => kind === value) ?? 'all' };
          }}
        >
          {['all', ...SHAPE_KINDS].map((kind) => (
            <option key={kind} value={kind}>
              {kind}
            </option>
          ))}
        </select>
      </div>
      <PastWord annotations={annotations} />
      {isPartial ? <p class="annotation-why">There are very many: those near the view are shown.</p> : null}
      <AnnotationList annotations={annotations} filter={filter} />
    </DockSection>
  );
}

function KindButtons({ annotations }: { readonly annotations: Annotations }): JSX.Element {
  const reasons = PLACED_KINDS.map((kind) => annotations.targets.whyNot(kind));
  const all = reasons.every((reason) => reason !== undefined) ? reasons[0] : undefined;
  return (
    <>
      <fieldset class="annotation-kinds" aria-label="Add an annotation">
        {PLACED_KINDS.map((kind, i) => (
          <button
            key={kind}
            type="button"
            data-kind={kind}
            aria-pressed={annotations.placer.draft.value?.kind === kind}
            aria-disabled={reasons[i] !== undefined}
            title={reasons[i] ?? `Add a ${kind} (${KIND_KEYS[kind]})`}
            onClick={() => annotations.placer.take(kind)}
          >
            <Icon name={kind} />
            {kind}
          </button>
        ))}
      </fieldset>
      {all === undefined ? null : <p class="annotation-why">{all}</p>}
    </>
  );
}

/** Says that the list is that of the past. */
function PastWord({ annotations }: { readonly annotations: Annotations }): JSX.Element | null {
  void annotations.version.value;
  const rows = annotations.rows.value;
  const past = rows.find(({ at }) => at !== undefined);
  if (past?.at === undefined) return null;
  const when = past.at === 0 ? 'before the first edit' : `after edit ${past.at.toLocaleString('en')}`;
  const name = past.path.split('/').at(-1);
  const text = rows.length > 1 ? `Those of ${name} as they were ${when}, others as now.` : `As they were ${when}.`;
  return <p class="annotation-why annotation-past">{text}</p>;
}

/** While something is placed, and where there is something to choose. */
function TargetChoice({ annotations }: { readonly annotations: Annotations }): JSX.Element | null {
  const { targets, placer } = annotations;
  if (targets.all.value.length < 2 || placer.draft.value === undefined) return null;
  return (
    <label class="annotation-target">
      New ones go to
      <select
        value={targets.current.value?.path ?? ''}
        onChange={({ currentTarget: { value } }) => {
          targets.chosen.value = value;
        }}
      >
        {targets.all.value.map(({ path, name }) => (
          <option key={path} value={path}>
            {name}
          </option>
        ))}
      </select>
    </label>
  );
}
