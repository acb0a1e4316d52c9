/** A trainer that ends itself at an armed crash point. */
import { z } from 'zod';
import { runTrainer } from '../../apps/site-agent/src/trainer/trainer-loop.ts';
import { armedCrashPoints } from './armed-points.ts';
import { trainerArmedVariable } from './trainer-armed.ts';

runTrainer(armedCrashPoints(z.string().parse(process.env[trainerArmedVariable])));
