import { pastContract } from '../../contract/past-contract.ts';
import { overUws } from '../../support/over-uws.ts';

overUws('the suite of past', pastContract);
