import { lagContract } from '../../contract/lag-contract.ts';
import { overUws } from '../../support/over-uws.ts';

overUws('the suite of lag', lagContract);
