/** What a task is: data, backbone, method, rules, and the whole definition as it stands. */
import { Button, SimpleGrid, Stack, Text } from '@mantine/core';
import type { Definition, Task } from '../api/schemas.ts';
import { Ago } from '../common/ago.tsx';
import { Digest, Facts } from '../common/facts.tsx';
import { formatSpan, plural } from '../common/format.ts';
import { Link } from '../common/link.tsx';
import { Panel } from '../common/panel.tsx';
import { saveFile } from '../common/save-file.ts';

const modes: Readonly<Record<string, string>> = {
  clear: 'clear: the coordinator opens every update (never an image) to average them',
};

function describeSite({ site }: Definition): string {
  if (site === undefined) return 'plain training';
  return Object.entries(site)
    .map(([name, value]) => `${name}: ${String(value)}`)
    .join(', ');
}

function describeBaseline({ localBaseline, crossEvaluation }: Definition): string {
  if (localBaseline !== true) return 'no';
  return crossEvaluation === true ? 'yes, once, and across the sites that allow it' : 'yes, once';
}

function describeRules({ rules }: Definition): string {
  const wait = rules.wait === 'quorum' ? ', going on as soon as they are in' : '';
  return `${rules.quorumSites} sites must report${wait}, within ${formatSpan(rules.deadlineMs)}`;
}

function Members({ members }: { readonly members: readonly string[] }) {
  return members.map((site, index) => (
    <span key={site}>
      {index > 0 && ', '}
      <Link to={{ page: 'site', site }}>{site}</Link>
    </span>
  ));
}

async function saveYaml({ task, definition }: Task): Promise<void> {
  const { stringify } = await import('yaml');
  const content = stringify(definition);
  saveFile(new Blob([content], { type: 'application/yaml' }), `${task}.yaml`);
}

/** What a task is. */
export function PlanPanel({ task }: { readonly task: Task }) {
  const { definition } = task;
  const { backbone, plan, aggregation, rules } = definition;
  const { trainedTensors: trained } = definition;
  return (
    <Stack gap="md">
      <SimpleGrid cols={{ base: 1, md: 2 }} spacing="md">
        <Panel title="What is trained">
          <Facts
            facts={[
              ['Classes', definition.classes.join(', ')],
              [
                'Backbone',
                `${backbone.name}: width ${backbone.dimension}, ${backbone.blocks} blocks, images of ${backbone.imageSize} px`,
              ],
              ['Fingerprint of the backbone', <Digest key="digest" value={backbone.fingerprint} />],
              ['Adapter', `rank ${definition.rank}, alpha ${definition.alpha}`],
              ['Trained', typeof trained === 'string' ? trained : trained.join(', ')],
              ['Created', <Ago key="ago" timeMs={task.createdAtMs} />],
            ]}
          />
        </Panel>
        <Panel title="How">
          <Facts
            facts={[
              ['Privacy mode', modes[definition.mode] ?? definition.mode],
              ['Method', `${aggregation.method}, weights by ${aggregation.weights}`],
              ['At each site', describeSite(definition)],
              [
                'A local round',
                `${plural(plan.duration.count, plan.duration.unit.replace(/s$/, ''))}, batches of ${plan.batchSize}, ${plan.optimiser.name} at ${plan.optimiser.learningRate}, ${plan.loss.name}, augmentation ${plan.augmentation.name}`,
              ],
              ['Rounds', `${task.rounds}: ${describeRules(definition)}`],
              [
                'Training images at least',
                rules.samplesMinimum === undefined ? undefined : String(rules.samplesMinimum),
              ],
              ['Trained alone too', describeBaseline(definition)],
              ['Promoted by rule', definition.promotion === undefined ? 'no' : 'yes'],
              ['Stops early by rule', definition.earlyStop === undefined ? 'no' : 'yes'],
              ['Members', <Members key="members" members={definition.members} />],
            ]}
          />
        </Panel>
      </SimpleGrid>
      <Panel
        title="The whole definition"
        aside={
          <Button size="compact-sm" variant="default" onClick={() => void saveYaml(task)}>
            Save as YAML
          </Button>
        }
      >
        <Text size="sm" c="dimmed" mb="xs">
          A definition never changes once the task is created; &ldquo;melo admin tasks create&rdquo;
          takes the file, under another name. Every site checks it against its own policy before it
          takes part.
        </Text>
        <details>
          <summary>Show the whole definition</summary>
          <pre className="source" tabIndex={0}>
            {JSON.stringify(definition, null, 2)}
          </pre>
        </details>
      </Panel>
    </Stack>
  );
}
