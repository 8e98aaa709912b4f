/** Says whom my view follows, and how to stop. */
import type { JSX } from 'preact';
import { useEffect } from 'preact/hooks';
import type { Follow } from './follow.ts';
import { inkOn } from './person.ts';

export function FollowBand({ follow }: { readonly follow: Follow }): JSX.Element {
  const whom = follow.whom.value;
  const isOn = whom !== undefined;
  useEffect(() => {
    if (!isOn) return undefined;
    const press = (event: KeyboardEvent): void => {
      if (event.key === 'Escape' && !event.defaultPrevented) follow.stop();
    };
    document.addEventListener('keydown', press);
    return () => document.removeEventListener('keydown', press);
  }, [isOn, follow]);
  return (
    <div role="status">
      {whom === undefined ? null : (
        <div class="people-frame" style={{ borderColor: whom.color }}>
          <div class="people-band" style={{ background: whom.color, color: inkOn(whom.color) }}>
            <span>
              Following <strong>{whom.name}</strong>: move your view, or press Escape, to stop.
            </span>
            <button type="button" class="people-stop" onClick={() => follow.stop()}>
              Stop
            </button>
          </div>
        </div>
      )}
    </div>
  );
}
