/** Asks for another token while the view stays open. */
import type { JSX } from 'preact';
import { useEffect, useRef } from 'preact/hooks';

/** What it asks. */
export interface TokenFormProps {
  readonly wanted: 'ends' | 'refused';
  readonly give: (token: string) => void;
}

export function TokenForm({ wanted, give }: TokenFormProps): JSX.Element {
  const input = useRef<HTMLInputElement>(null);
  useEffect(() => {
    if (wanted === 'refused') input.current?.focus();
  }, [wanted]);
  const submit = (event: Event): void => {
    event.preventDefault();
    const token = input.current?.value.trim() ?? '';
    if (token !== '') give(token);
  };
  return (
    <form class="status-token" onSubmit={submit}>
      <label>
        Another token
        <input ref={input} type="password" autocomplete="current-password" required />
      </label>
      <button type="submit">Continue</button>
    </form>
  );
}
