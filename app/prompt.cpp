// SPDX-License-Identifier: BSD-3-Clause
// The interactive prompt, on libedit's own interface.
#include "app/prompt.hpp"

#include <histedit.h>
#include <unistd.h>

#include <cstdio>
#include <memory>

#include "app/words.hpp"
#include "control/completion.hpp"
#include "control/words.hpp"

namespace linnet::app {
namespace {

constexpr int kHistoryLines = 1000;

char kPrompt[] = "linnet> ";

char* prompt_text(EditLine*) {
  return kPrompt;
}

// How far all candidates begin alike.
std::string common_beginning(const std::vector<std::string>& candidates) {
  std::string common = candidates.front();
  for (const std::string& candidate : candidates) {
    std::size_t length = 0;
    while (length < common.size() && length < candidate.size() &&
           common[length] == candidate[length])
      ++length;
    common.resize(length);
  }
  return common;
}

void list_candidates(const std::vector<std::string>& candidates) {
  std::fputc('\n', stdout);
  for (const std::string& candidate : candidates)
    std::printf("%s  ", candidate.c_str());
  std::fputc('\n', stdout);
  std::fflush(stdout);
}

unsigned char complete_line(EditLine* editor, int) {
  void* data = nullptr;
  el_get(editor, EL_CLIENTDATA, &data);
  const LineInfo* line = el_line(editor);
  const std::string typed(line->buffer, static_cast<std::size_t>(line->cursor - line->buffer));
  auto words = control::split_words(typed);
  if (!words) return CC_ERROR;
  if (typed.empty() || typed.back() == ' ' || typed.back() == '\t') words->emplace_back();
  const auto candidates = completions(static_cast<Connection*>(data), *words);
  if (candidates.empty()) return CC_ERROR;
  std::string more = common_beginning(candidates).substr(words->back().size());
  if (candidates.size() == 1) more += ' ';
  if (more.empty()) {
    list_candidates(candidates);
    return CC_REDISPLAY;
  }
  return el_insertstr(editor, more.c_str()) == 0 ? CC_REFRESH : CC_ERROR;
}

struct EditorEnd {
  void operator()(EditLine* editor) const { el_end(editor); }
};
struct HistoryEnd {
  void operator()(History* past) const { history_end(past); }
};

void print(const control::Reply& reply) {
  std::fwrite(reply.out.data(), 1, reply.out.size(), stdout);
  std::fflush(stdout);
  std::fwrite(reply.err.data(), 1, reply.err.size(), stderr);
}

}  // namespace

std::vector<std::string> completions(Connection* connection,
                                     const std::vector<std::string>& words) {
  if (connection != nullptr) {
    std::vector<std::string> request{std::string(control::kCompleteWord)};
    request.insert(request.end(), words.begin(), words.end());
    if (const auto reply = connection->ask(request)) {
      std::vector<std::string> lines = split(reply->out, '\n');
      lines.pop_back();  // behind the last newline
      return lines;
    }
  }
  return control::complete(words, {});
}

int run_prompt(Connection& connection) {
  const std::unique_ptr<EditLine, EditorEnd> editor(el_init("linnet", stdin, stdout, stderr));
  const std::unique_ptr<History, HistoryEnd> past(history_init());
  if (!editor || !past) {
    std::fputs("Error: the terminal cannot be used.\n", stderr);
    return control::kExitUsage;
  }
  HistEvent event;
  history(past.get(), &event, H_SETSIZE, kHistoryLines);
  history(past.get(), &event, H_SETUNIQUE, 1);
  el_set(editor.get(), EL_CLIENTDATA, &connection);
  el_set(editor.get(), EL_PROMPT, prompt_text);
  el_set(editor.get(), EL_EDITOR, "emacs");
  el_set(editor.get(), EL_HIST, history, past.get());
  el_set(editor.get(), EL_ADDFN, "complete", "Completes a word", complete_line);
  el_set(editor.get(), EL_BIND, "^I", "complete", nullptr);
  el_source(editor.get(), nullptr);
  int code = control::kExitOk;
  int length = 0;
  while (const char* line = el_gets(editor.get(), &length)) {
    const auto words =
        control::split_words(std::string_view(line, static_cast<std::size_t>(length)));
    if (!words) {
      std::fprintf(stderr, "Error: %s.\n", words.error().text().c_str());
      continue;
    }
    if (words->empty()) continue;
    history(past.get(), &event, H_ENTER, line);
    if (words->front() == "exit" || words->front() == "quit") return code;
    const auto reply = connection.ask(*words);
    if (!reply) {
      std::fprintf(stderr, "Error: %s.\n", reply.error().text().c_str());
      return control::kExitUsage;
    }
    print(*reply);
    code = reply->code;
  }
  std::fputc('\n', stdout);
  return code;
}

}  // namespace linnet::app
