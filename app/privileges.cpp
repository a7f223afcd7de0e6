// SPDX-License-Identifier: BSD-3-Clause
#include "app/privileges.hpp"

#include <grp.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace linnet::app {

Result<> forbid_new_rights() {
  // Only who has CAP_SETPCAP may shrink the set; without that right there is little in it to fear.
  for (unsigned long right = 0; right <= CAP_LAST_CAP; ++right)
    if (prctl(PR_CAPBSET_READ, right, 0, 0, 0) == 1) prctl(PR_CAPBSET_DROP, right, 0, 0, 0);
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
    return Error{std::string("no_new_privs was refused (") + std::strerror(errno) + ")"};
  return Ok{};
}

Result<> become(const User& user) {
  if (geteuid() == user.uid && getegid() == user.gid && user.uid != 0) return Ok{};
  const bool done = initgroups(user.name.c_str(), user.gid) == 0 &&
                    setresgid(user.gid, user.gid, user.gid) == 0 &&
                    setresuid(user.uid, user.uid, user.uid) == 0;
  if (!done)
    return Error{std::string("becoming another user was refused (") + std::strerror(errno) + ")",
                 user.name};
  // A way back would mean that nothing was given up.
  if (user.uid != 0 && setresuid(0, 0, 0) == 0)
    return Error{"the rights of root came back after they were given up", user.name};
  return Ok{};
}

}  // namespace linnet::app
