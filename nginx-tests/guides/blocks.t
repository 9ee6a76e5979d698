# nginx loads every nginx block of these pages without a [warn].

use Sticky qw(Documents Fragments Keys Verdicts);
use File::Temp 'tempdir';

my $key_file = key_file('sticky.keys', $key[0]);
my $states = tempdir(CLEANUP => 1);
chmod 0777, $states;

# Whether this nginx resolves the names of an upstream's servers at run time, which some examples need.
my ($middle, $last) = `$ENV{TEST_NGINX_BINARY} -v 2>&1` =~ m{/1\.(\d+)\.(\d+)};
our $resolves = $middle * 1000 + $last >= 27_003;

client_sections();

# nginx's lines about problems.
sub complaints {
    my ($text) = @_;
    $text = here(whole($text)) =~ s/\bkey_file=\Ksticky\.keys\b/$key_file/gr =~ s{\bstate=\K\S+(?=;)}{$states/state}gr;
    return join "\n", verdict_on($text) =~ /^(.*\[(?:warn|error|crit|alert|emerg)\].*)$/mg;
}

sub loads {
    my ($path, $least) = @_;
    my @fragments = fragments($path);
    holds(@fragments >= $least, "$path: has " . @fragments . ' blocks');
    for my $fragment (@fragments) {
        my ($line, $text) = @$fragment;
        my $complaints = complaints($text);
        if ($text =~ /\sresolve;/ && !$resolves) {
            holds($complaints =~ /"resolver" directive is not allowed here|invalid parameter "resolve"/, "$path:$line: is not for this nginx");
        } else {
            equals($complaints, '', "$path:$line");
        }
    }
}

run_tests();

__DATA__

=== README.md
--- client
loads('README.md', 2);



=== docs/directives.md
--- client
loads('docs/directives.md', 55);



=== docs/variables.md
--- client
loads('docs/variables.md', 8);



=== docs/caching.md
--- client
loads('docs/caching.md', 4);



=== docs/security.md
--- client
loads('docs/security.md', 1);



=== docs/status.md
--- client
loads('docs/status.md', 1);



=== an invalid directive is found, and one without effect
--- client
holds(complaints('session_sticky maxidel=30m;') =~ /invalid parameter "maxidel=30m"/, 'an error');
holds(complaints('session_sticky mode=prefix maxidle=30m;') =~ /mode=prefix ignores maxidle=/, 'a [warn]');
