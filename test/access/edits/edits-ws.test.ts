import { editContract } from '../../contract/edit-contract.ts';

editContract('ws');
