# nginx's messages about a configuration when it starts.
#
# verdict_sections(PATTERN), called before the file's own add_block_preprocessor, gives blocks these sections:
#   emerg   nginx must refuse to start with exactly one [emerg] line, which contains each line of this section; a word
#           matches only as a whole: "insert" does not match "insertXYZ"
#   warn    nginx starts and logs exactly one [warn] line that matches PATTERN, which contains each line of this section
# A block with neither, and without "no_error_log", may log nothing from [warn] on; its request is "GET /t" by default.
#
# verdict_on(TEXT)   what nginx -t prints for an http block with TEXT, with the modules under test. It has a prefix of its own:
#                    before nginx 1.19.5, messages are also written to a log there

package Verdicts;

use strict;
use warnings;

use Exporter 'import';
use File::Temp 'tempdir';
use Test::Nginx::Socket ();

our @EXPORT = qw(verdict_sections verdict_on);

sub one_line_with {
    my ($words) = @_;
    my $all = join '', map { /^\w+$/ ? "(?=.*\\b$_\\b)" : "(?=.*\Q$_\E)" } grep { length } split /\n/, $words;
    return qr/\A$all.*\n\z/;
}

sub verdict_sections {
    my ($pattern) = @_;
    $pattern //= qr//;
    Test::Nginx::Socket::add_block_preprocessor(sub {
        my ($block) = @_;
        if (defined $block->emerg) {
            $block->set_value(request => 'GET /t');
            $block->set_value(must_die => '');
            $block->set_value(suppress_stderr => 1);
            $block->set_value(grep_error_log => qr/\[emerg\].*/);
            $block->set_value(grep_error_log_out => one_line_with($block->emerg));
            $block->set_value(no_error_log => qr/\[(?:alert|crit)\]/);
            return;
        }
        $block->set_value(request => 'GET /t') if !defined $block->request;
        if (defined $block->warn) {
            $block->set_value(grep_error_log => qr/\[warn\].*$pattern.*/);
            $block->set_value(grep_error_log_out => one_line_with($block->warn));
            $block->set_value(no_error_log => qr/\[(?:error|crit|alert|emerg)\]/);
        } elsif (!defined $block->no_error_log) {
            $block->set_value(no_error_log => qr/\[(?:warn|error|crit|alert|emerg)\]/);
        }
    });
}

sub verdict_on {
    my ($text) = @_;
    my $dir = tempdir(CLEANUP => 1);
    mkdir "$dir/logs";
    my $modules = join '', map { "load_module $_;\n" } split ' ', $ENV{TEST_NGINX_LOAD_MODULES};
    open my $file, '>', "$dir/nginx.conf" or return "nginx.conf: $!";
    print $file "${modules}events {}\nhttp {\n$text\n}\n";
    close $file or return "nginx.conf: $!";
    return scalar `$ENV{TEST_NGINX_BINARY} -t -e stderr -p $dir -c nginx.conf 2>&1`;
}

1;
