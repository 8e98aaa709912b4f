/** Who may do what to which path. Where the rights come from is the access layer's business. */

import type { ChannelRight } from '../../protocol/volume.ts';

/** What one may be allowed to do to a path. */
export type Right = ChannelRight;

/** What a user may do. */
export interface Rights {
  allows(right: Right, path: string): boolean;
}

/** Somebody who asks. */
export interface User {
  /** Never changes; anonymous users have one each. */
  readonly id: string;
  /** For people. */
  readonly name: string;
}

/** A user and their rights. */
export interface Author {
  readonly user: User;
  readonly rights: Rights;
}

/** The rights of everybody on a server without `--auth`. */
export const ALL_RIGHTS: Rights = { allows: () => true };
