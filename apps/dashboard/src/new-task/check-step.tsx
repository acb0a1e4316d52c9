/** The last step: what the task costs, what each site has to do, and the whole of it as YAML. */
import { Button, Group, Stack, Text, Title } from '@mantine/core';
import { stringify } from 'yaml';
import { request } from '#api';
import { tasks, useList, useResource } from '../api/resources.ts';
import { roundsSchema } from '../api/schemas.ts';
import { CopyText } from '../common/copy-text.tsx';
import { Facts } from '../common/facts.tsx';
import { formatBytes, formatCount, formatSpan, plural } from '../common/format.ts';
import { saveFile } from '../common/save-file.ts';
import { costOf, definitionOf, isAlike, medianMs, type Costed, type Draft } from './draft.ts';

/** How long the newest rounds of a task took that has the same backbone. */
function LikelyTime(props: { readonly task: string; readonly rounds: number }) {
  const { data } = useList(
    (query) =>
      request('GET', '/v1/tasks/{task}/rounds', roundsSchema, {
        path: { task: props.task },
        query,
      }),
    (answer) => answer.rounds,
    ['rounds'],
  );
  const spans = data?.items
    .filter(({ phase }) => phase === 'published')
    .flatMap(({ openedAtMs, settledAtMs }) =>
      settledAtMs === null ? [] : [settledAtMs - openedAtMs],
    );
  const typicalMs = medianMs(spans ?? []);
  if (typicalMs === null) return 'not known: no round with this backbone was published yet';
  return `about ${formatSpan(typicalMs * props.rounds)}: a round of ${props.task}, with the same backbone, took ${formatSpan(typicalMs)} (median)`;
}

/** What a task costs, before it starts. */
export function Costs({ definition }: { readonly definition: Costed }) {
  const { data } = useResource(tasks);
  const alike = data?.tasks.find((task) =>
    isAlike(task.definition, definition.backbone.fingerprint),
  );
  const cost = costOf(definition);
  const { rounds, members } = definition;
  return (
    <Facts
      facts={[
        ['Numbers that are trained', formatCount(cost.parameters)],
        [
          'Sent by each site',
          `${formatBytes(cost.bytesEachWay)} a round, ${formatBytes(cost.bytesEachWay * rounds)} in all; images never leave it`,
        ],
        [
          'In all',
          `${formatBytes(cost.bytesInAll)} both ways, ${plural(rounds, 'round')} with ${plural(members.length, 'site')}`,
        ],
        [
          'Likely time',
          alike === undefined ? (
            'not known: no task with this backbone is there yet'
          ) : (
            <LikelyTime key="time" task={alike.task} rounds={rounds} />
          ),
        ],
        [
          'At the longest',
          `${formatSpan(cost.longestMs)}, where every round takes until its deadline`,
        ],
      ]}
    />
  );
}

/** What a site's agent.yaml says of the task. */
function agentSnippet(draft: Draft): string {
  const { task, classes } = definitionOf(draft);
  const classFolders = Object.fromEntries(classes.map((name) => [`folder-of-${name}`, name]));
  return stringify({ tasks: { [task]: { images: 'WHERE-THE-IMAGES-LIE', classFolders } } });
}

/** The last step. */
export function CheckStep({ draft }: { readonly draft: Draft }) {
  const yaml = stringify(definitionOf(draft));
  const name = `${draft.task.trim()}.yaml`;
  return (
    <Stack gap="lg">
      <div>
        <Title order={4} size="h6" mb="xs">
          What it costs
        </Title>
        <Costs definition={definitionOf(draft)} />
      </div>
      <div>
        <Title order={4} size="h6" mb="xs">
          What each member has to do first
        </Title>
        <Text size="sm" mb="xs">
          Its images lie in a folder for each class; <code>agent.yaml</code> says where, and its own
          policy must allow the task:
        </Text>
        <CopyText name="Part of agent.yaml" text={agentSnippet(draft)} />
      </div>
      <div>
        <Group justify="space-between" mb="xs">
          <Title order={4} size="h6">
            The definition
          </Title>
          <Button
            size="compact-sm"
            variant="default"
            onClick={() => saveFile(new Blob([yaml], { type: 'application/yaml' }), name)}
          >
            Save as YAML
          </Button>
        </Group>
        <Text size="sm">
          <code>{`npx melo admin tasks create ${name}`}</code> takes it too.
        </Text>
        <pre className="source" tabIndex={0}>
          {yaml}
        </pre>
      </div>
    </Stack>
  );
}
