/** What `bfly edit --help` shows behind the options. */
import { OP_USAGES } from './edit-ops.ts';

/** A file of `put` for annotations, of which every kind of field is shown. */
export const ANNOTATIONS_EXAMPLE = `[
  {"kind": "point", "points": [120, 88, 41], "text": "merge error?", "ids": ["17", "23"]},
  {"kind": "line", "points": [120, 88, 41, 131, 90, 44]},
  {"kind": "box", "points": [100, 80, 40, 140, 110, 52], "props": {"colour": "#e69f00"}},
  {"key": "3", "kind": "polyline", "points": [1, 2, 3, 4, 5, 6, 7, 8, 9], "text": "anew"}
]`;

/** A file of `put` for several tables. */
export const TABLES_EXAMPLE = `{
  "neuron": [{"key": "17", "point": [120, 88, 41], "name": "PN-4"}],
  "synapse": [{"pre": "17", "post": "23", "point": [125.5, 90, 43]}]
}`;

const indented = (text: string): string => text.replace(/^/gm, '    ');

/** The whole of it. */
export const EDIT_HELP = `
Edits:
${OP_USAGES.map((usage) => `  ${usage}`).join('\n')}

Ids are whole numbers up to 2^64-1. redo takes the undo of an edit back. VALUE of meta is JSON, or a text;
null removes it.

Examples:
  $ bfly edit localhost:2001 fly/medulla/training/bodies merge 17 23 --note "same axon"
  $ bfly edit localhost:2001 fly/medulla/training/bodies cleave 23
  $ bfly edit localhost:2001 fly/medulla/training/bodies split 17 --box 0,0,0,9,9,9 --seeds "3,4,5,1;8,4,5,2"
  $ bfly edit localhost:2001 fly/medulla/training/bodies undo 12
  $ bfly edit localhost:2001 fly/medulla/training/bodies merge 17 40 --base 12    unless others were first
  $ bfly edit localhost:2001 fly/medulla/training/bodies put notes.json           rows, as below
  $ bfly edit localhost:2001 fly/medulla/training/bodies delete annotation 3

Files of put hold a row, a list of rows, or {table: rows}. A row without a key gets the next one; a row
with a key takes the place of the one that has it. Points are x, y, z in voxels of the finest level: one
for a point, two for a line, two corners for a box or an ellipsoid, two or more for a polyline. author and
time are filled in. Ids may be texts, which no program rounds. notes.json:
${indented(ANNOTATIONS_EXAMPLE)}
Other tables, which are named in the file or by --table: neurons, whose key is their id, and synapses:
${indented(TABLES_EXAMPLE)}`;
