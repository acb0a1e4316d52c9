/** The command line of `melo simulate`; what it needs is loaded when it runs. */
import { Command } from 'commander';
import { z } from 'zod';
import { InputError } from '#core/errors';

const optionsSchema = z.object({
  output: z.string().min(1),
  resume: z.boolean().default(false),
  json: z.boolean().default(false),
  example: z.boolean().default(false),
});

/** Make `melo simulate`. */
export function simulateCommand(): Command {
  return new Command('simulate')
    .description(
      'rehearse a plan: a federation of virtual sites in this process, on images of this machine',
    )
    .argument('[plan]', 'YAML file; --example prints one with every key')
    .option(
      '--output <folder>',
      'where results, and what is done so far, are put',
      'melo-simulation',
    )
    .option('--resume', 'go on with what is in the output folder')
    .option('--json', 'the results as one line of JSON on standard output')
    .option('--example', 'print a commented plan that runs as it is')
    .addHelpText(
      'after',
      '\nLeaves results.json, results.csv and auc-by-round.svg in the output folder. 130: stopped by a signal.',
    )
    .action(async (plan: string | undefined, options: unknown) => {
      const { output, resume, json, example } = optionsSchema.parse(options);
      const { printExample, runSimulation } = await import('./simulate.ts');
      if (example) {
        printExample();
        return;
      }
      if (plan === undefined) {
        throw new InputError(
          'USAGE',
          'melo simulate: expected a plan; `melo simulate --example > plan.yaml` makes one',
        );
      }
      await runSimulation({ plan, output, isResumed: resume, isJson: json });
    });
}
