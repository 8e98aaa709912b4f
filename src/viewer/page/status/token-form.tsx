/** Asks for another token while the view stays open. */
import type { JSX } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import type { TokenWanted } from '../access.ts';

/** What it asks. */
export interface TokenFormProps {
  readonly wanted: TokenWanted;
  readonly give: (token: string) => void;
}

export function TokenForm({ wanted, give }: TokenFormProps): JSX.Element {
  const input = useRef<HTMLInputElement>(null);
  useEffect(() => {
    if (wanted !== 'ends') input.current?.focus();
  }, [wanted]);
  const submit = (event: Event): void => {
    event.preventDefault();
    const token = input.current?.value.trim() ?? '';
    if (token !== '') give(token);
  };
  return (
    <form class="status-token" onSubmit={submit}>
      <label class="page-field">
        Another token
        <input ref={input} type="password" autocomplete="current-password" required />
      </label>
      <button type="submit" class="page-button page-go">
        Continue
      </button>
    </form>
  );
}
