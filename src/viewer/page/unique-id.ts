/** Ids of elements that no other element of the page has. */
import { useState } from 'preact/hooks';

let count = 0;

/** An id of its own for each component that asks. Preact's own `useId` begins anew in every root, and a view has many. */
export function useUniqueId(): string {
  const [id] = useState(() => `bfly-${++count}`);
  return id;
}
