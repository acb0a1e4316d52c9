/** The OpenAPI document as it is read to write something of it. */
import { z } from 'zod';

const looseSchema = z.record(z.string(), z.json());
const contentSchema = z
  .record(z.string(), z.object({ schema: looseSchema.optional() }))
  .default({});
/** What is read of the document. */
export const documentSchema = z.object({
  tags: z.array(z.object({ name: z.string(), description: z.string() })),
  paths: z.record(
    z.string(),
    z.record(
      z.string(),
      z.object({
        tags: z.array(z.string()),
        summary: z.string(),
        'x-roles': z.array(z.string()),
        parameters: z.array(
          z.object({
            name: z.string(),
            in: z.string(),
            required: z.boolean(),
            description: z.string().optional(),
            schema: looseSchema,
          }),
        ),
        requestBody: z.object({ required: z.boolean(), content: contentSchema }).optional(),
        responses: z.record(
          z.string(),
          z.object({
            description: z.string(),
            content: contentSchema,
            headers: z.record(z.string(), z.object({ description: z.string() })).optional(),
          }),
        ),
      }),
    ),
  ),
  components: z.object({ schemas: z.record(z.string(), looseSchema) }),
});
type Document = z.infer<typeof documentSchema>;
/** One route of the document. */
export type Operation = Document['paths'][string][string];

/** What is read of a JSON Schema. */
export const shapeSchema = z.object({
  $ref: z.string().optional(),
  type: z.union([z.string(), z.array(z.string())]).optional(),
  const: z.json().optional(),
  enum: z.array(z.json()).optional(),
  default: z.json().optional(),
  anyOf: z.array(looseSchema).optional(),
  oneOf: z.array(looseSchema).optional(),
  items: z.union([z.boolean(), looseSchema]).optional(),
  prefixItems: z.array(looseSchema).optional(),
  additionalProperties: z.union([z.boolean(), looseSchema]).optional(),
  properties: z.record(z.string(), looseSchema).optional(),
  required: z.array(z.string()).default([]),
  minimum: z.number().optional(),
  exclusiveMinimum: z.number().optional(),
  maximum: z.number().optional(),
  minLength: z.number().optional(),
  maxLength: z.number().optional(),
  minItems: z.number().optional(),
  maxItems: z.number().optional(),
  pattern: z.string().optional(),
  description: z.string().optional(),
});
/** What is read of a JSON Schema. */
export type Shape = z.infer<typeof shapeSchema>;
