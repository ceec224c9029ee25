/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Members of JSON objects from a peer that may send anything: a member that
 * is missing or of another type reads as the neutral value.  OBJECT may be
 * NULL.  What is returned is borrowed. */
#ifndef PULLBACK_QMP_JSON_H
#define PULLBACK_QMP_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <json-c/json.h>

static inline json_object *
qmp_json_get (json_object *object, const char *key, enum json_type type)
{
  json_object *value;

  if (!json_object_is_type (object, json_type_object)
      || !json_object_object_get_ex (object, key, &value)
      || !json_object_is_type (value, type))
    return NULL;
  return value;
}

static inline json_object *
qmp_json_object (json_object *object, const char *key)
{
  return qmp_json_get (object, key, json_type_object);
}

static inline json_object *
qmp_json_array (json_object *object, const char *key)
{
  return qmp_json_get (object, key, json_type_array);
}

static inline size_t
qmp_json_length (json_object *array)
{
  return json_object_is_type (array, json_type_array)
         ? json_object_array_length (array) : 0;
}

/* NULL also for a string with a NUL in it: no name has one. */
static inline const char *
qmp_json_string (json_object *object, const char *key)
{
  json_object *value = qmp_json_get (object, key, json_type_string);
  const char *text;

  if (value == NULL)
    return NULL;
  text = json_object_get_string (value);
  if (strlen (text) != (size_t) json_object_get_string_len (value))
    return NULL;
  return text;
}

static inline bool
qmp_json_equals (json_object *object, const char *key, const char *text)
{
  const char *value = qmp_json_string (object, key);

  return value != NULL && strcmp (value, text) == 0;
}

static inline bool
qmp_json_bool (json_object *object, const char *key)
{
  json_object *value = qmp_json_get (object, key, json_type_boolean);

  return value != NULL && json_object_get_boolean (value);
}

/* 0 for a negative number. */
static inline uint64_t
qmp_json_u64 (json_object *object, const char *key)
{
  json_object *value = qmp_json_get (object, key, json_type_int);

  return value == NULL ? 0 : json_object_get_uint64 (value);
}

/* The first object in ARRAY whose member KEY is TEXT. */
static inline json_object *
qmp_json_find (json_object *array, const char *key, const char *text)
{
  size_t i, n = qmp_json_length (array);

  for (i = 0; i < n; i++)
    if (qmp_json_equals (json_object_array_get_idx (array, i), key, text))
      return json_object_array_get_idx (array, i);
  return NULL;
}

/* --- writing ----------------------------------------------------------- */

static inline void
qmp_json_set (json_object *object, const char *key, const char *text)
{
  json_object_object_add (object, key, json_object_new_string (text));
}

static inline void
qmp_json_set_bool (json_object *object, const char *key, bool value)
{
  json_object_object_add (object, key, json_object_new_boolean (value));
}

/* A new object. */
static inline json_object *
qmp_json_with (const char *key, const char *text)
{
  json_object *object = json_object_new_object ();

  qmp_json_set (object, key, text);
  return object;
}

#endif
