import { editContract } from '../../contract/edit-contract.ts';
import { overUws } from '../../support/over-uws.ts';

overUws('the suite of edits', editContract);
