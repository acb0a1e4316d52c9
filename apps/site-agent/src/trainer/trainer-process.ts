/** The trainer process. */
import { noCrashPoints } from '#core/crash-points';
import { runTrainer } from './trainer-loop.ts';

runTrainer(noCrashPoints);
