/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Members of JSON objects.  They may come from a peer that sends anything: a
 * member that is missing or of another type reads as the neutral value.  An
 * OBJECT that is read may be NULL; what is returned is borrowed. */
#ifndef PULLBACK_JSON_MEMBERS_H
#define PULLBACK_JSON_MEMBERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <json-c/json.h>

static inline void
cleanup_json (json_object **object)
{
  json_object_put (*object);
}
#define CLEANUP_JSON __attribute__ ((cleanup (cleanup_json)))

/* --- reading ----------------------------------------------------------- */

static inline json_object *
json_get (json_object *object, const char *key, enum json_type type)
{
  json_object *value;

  if (!json_object_is_type (object, json_type_object)
      || !json_object_object_get_ex (object, key, &value)
      || !json_object_is_type (value, type))
    return NULL;
  return value;
}

static inline json_object *
json_get_object (json_object *object, const char *key)
{
  return json_get (object, key, json_type_object);
}

static inline json_object *
json_get_array (json_object *object, const char *key)
{
  return json_get (object, key, json_type_array);
}

static inline size_t
json_length (json_object *array)
{
  return json_object_is_type (array, json_type_array)
         ? json_object_array_length (array) : 0;
}

/* NULL also for a string with a NUL in it: no name has one. */
static inline const char *
json_get_string (json_object *object, const char *key)
{
  json_object *value = json_get (object, key, json_type_string);
  const char *text;

  if (value == NULL)
    return NULL;
  text = json_object_get_string (value);
  if (strlen (text) != (size_t) json_object_get_string_len (value))
    return NULL;
  return text;
}

static inline bool
json_has_string (json_object *object, const char *key, const char *text)
{
  const char *value = json_get_string (object, key);

  return value != NULL && strcmp (value, text) == 0;
}

static inline bool
json_get_bool (json_object *object, const char *key)
{
  json_object *value = json_get (object, key, json_type_boolean);

  return value != NULL && json_object_get_boolean (value);
}

/* 0 for a negative number. */
static inline uint64_t
json_get_u64 (json_object *object, const char *key)
{
  json_object *value = json_get (object, key, json_type_int);

  return value == NULL ? 0 : json_object_get_uint64 (value);
}

/* The first object in ARRAY whose member KEY is TEXT. */
static inline json_object *
json_find (json_object *array, const char *key, const char *text)
{
  size_t i, n = json_length (array);

  for (i = 0; i < n; i++)
    if (json_has_string (json_object_array_get_idx (array, i), key, text))
      return json_object_array_get_idx (array, i);
  return NULL;
}

/* --- writing ----------------------------------------------------------- */

/* TEXT may be NULL: the member is null. */
static inline void
json_add_string (json_object *object, const char *key, const char *text)
{
  json_object_object_add (object, key, text == NULL ? NULL
                          : json_object_new_string (text));
}

/* No member where TEXT is NULL. */
static inline void
json_add_known (json_object *object, const char *key, const char *text)
{
  if (text != NULL)
    json_add_string (object, key, text);
}

static inline void
json_add_bool (json_object *object, const char *key, bool value)
{
  json_object_object_add (object, key, json_object_new_boolean (value));
}

static inline void
json_add_i64 (json_object *object, const char *key, int64_t number)
{
  json_object_object_add (object, key, json_object_new_int64 (number));
}

static inline void
json_add_u64 (json_object *object, const char *key, uint64_t number)
{
  json_object_object_add (object, key, json_object_new_uint64 (number));
}

/* A new object. */
static inline json_object *
json_with (const char *key, const char *text)
{
  json_object *object = json_object_new_object ();

  json_add_string (object, key, text);
  return object;
}

#endif
