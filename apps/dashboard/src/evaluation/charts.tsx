/** AUC and loss by version as lines: over all sites and at each, or one site beside what it has without the others. */
import { SimpleGrid, Stack, Text } from '@mantine/core';
import { useState } from 'react';
import { resourcesOf, useResource } from '../api/resources.ts';
import type { Evaluation, Evaluations } from '../api/schemas.ts';
import { Choices, type Choice } from './chart-choices.tsx';
import { Chart } from './chart.tsx';
import { linesOf, sitesOf, type Figure, type LinesOptions } from './series.ts';

interface PairProps {
  readonly task: string;
  readonly evaluations: Evaluations;
  readonly choice: Choice;
  readonly besideEvaluations?: readonly Evaluation[];
}

function Pair({ task, evaluations, choice, besideEvaluations }: PairProps) {
  const options = (figure: Figure): LinesOptions => ({
    figure,
    ...(choice.site === '' ? {} : { site: choice.site }),
    ...(choice.newest === '' ? {} : { newest: Number(choice.newest) }),
    ...(besideEvaluations === undefined
      ? {}
      : { beside: { label: `${choice.beside} (pooled)`, evaluations: besideEvaluations } }),
  });
  const shared = { task, isTable: choice.isTable };
  return (
    <SimpleGrid cols={{ base: 1, md: 2 }} spacing="lg">
      <Chart
        {...shared}
        title="Macro AUC"
        figure="macroAuc"
        lines={linesOf(evaluations, options('macroAuc'))}
      />
      <Chart
        {...shared}
        title="Loss on held-out images"
        figure="loss"
        lines={linesOf(evaluations, options('loss'))}
      />
    </SimpleGrid>
  );
}

function PairBeside(props: PairProps) {
  const { data } = useResource(resourcesOf(props.choice.beside).evaluations);
  // No line before it was read: one without points would be saved as a column without figures.
  return <Pair {...props} {...(data && { besideEvaluations: data.evaluations })} />;
}

/** AUC and loss by version. */
export function Charts(props: { readonly task: string; readonly evaluations: Evaluations }) {
  const { task, evaluations } = props;
  const [choice, setChoice] = useState<Choice>({
    site: '',
    newest: '',
    beside: '',
    isTable: false,
  });
  const shown = { task, evaluations, choice };
  return (
    <Stack gap="sm">
      <Choices
        task={task}
        sites={sitesOf(evaluations.evaluations)}
        choice={choice}
        onChange={(change) => setChoice((before) => ({ ...before, ...change }))}
      />
      {choice.beside === '' ? <Pair {...shown} /> : <PairBeside {...shown} />}
      <Text size="xs" c="dimmed">
        &ldquo;All sites&rdquo; is computed over the summed score histograms of all sites that
        evaluated the version: AUCs of sites are never averaged. A site&apos;s line is measured on
        its own held-out images.
      </Text>
    </Stack>
  );
}
