# docs/directives.md and the parameters of the directives: names, values and defaults.
#
# The module's messages are used, so that it needs no code for tests: the error for an unknown parameter lists all names, and that
# for an invalid value lists the valid ones. Specifying a default must have no effect, and specifying other values must have one.

use Sticky qw(Keys Nginx Upstreams Verdicts Visits);

our $manual = do {
    open my $file, '<:raw', in_project('docs/directives.md') or bail_out("docs/directives.md: $!");
    local $/;
    <$file>;
};

# The section of a directive.
sub section { my ($directive) = @_; return $manual =~ /^## \Q$directive\E\n(.*?)(?=^## |\z)/ms ? $1 : '' }

# Its contents, and the table of parameters: [NAME, DEFAULT, MODES] of each.
sub contents { return $manual =~ /\A(.*?)^## /ms ? $1 : '' }
sub table { return map { [$_ =~ /^\| \[`(\w+).*?`\]\(#\1\) \| (.*?) \| (.*?) \|/] } section('session_sticky') =~ /^\| \[`.*/mg }

# The parameters in the documentation: their names in the form used by messages, and the values of each.
sub documented {
    my ($directive) = @_;
    my ($syntax) = section($directive) =~ /^    Syntax: +\Q$directive\E(.*?);$/ms;
    my (@names, %words);
    for my $group ($syntax =~ /\[((?:[^][]|\[[^][]*\])*)\]/g) {
        my $first = 1;
        for my $part (split ' ', $group) {
            if ($part =~ /^(\w+)(=)?(.*)/ && ($2 || $first)) {
                push @names, "$1" . ($2 // '');
                $part = $3;
            }
            $first = 0;
            push @{$words{$names[-1]}}, $part if $part =~ /^[a-z0-9]+$/ && $part !~ /^(?:name|path|string|time)$/;
        }
    }
    return \@names, {map { $_ => [sort @{$words{$_}}] } grep { @{$words{$_}} > 1 } keys %words};
}

# nginx's messages for a configuration with this directive.
sub verdict { my ($directive) = @_; return verdict_on("upstream u { server 127.0.0.1:1985; $directive; }") }

# The parameters in the module's messages.
sub known {
    my ($directive, $begin) = @_;
    my ($names) = verdict("$begin no_such=~") =~ /\[emerg\] (?:\S+ )?invalid parameter "no_such=~" .* one of: (.*) in \S+$/m;
    my @names = split /, /, $names // '';
    my %words;
    for my $name (grep { /=$/ } @names) {
        my $legal = verdict("$begin $name~") =~ /\[emerg\] (?:\S+ )?invalid value .*, it must be (.*) in \S+$/m ? $1 : '';
        $words{$name} = [sort $legal =~ /"(.*?)"/g] if $legal =~ /^"\w+"(?:(?:, | or )"\w+")*(?: or a variable)?$/;
    }
    return \@names, \%words;
}

# Parameters and their values as lines of text.
sub lines { my ($words) = @_; return join "\n", map { "$_@{$words->{$_}}" } sort keys %$words }

# The defaults of a directive, as parameters.
sub defaults {
    my ($directive) = @_;
    my ($text) = section($directive) =~ /Without\s+parameters,\s+it\s+is\s+the\s+same\s+as\s+`(?:\Q$directive\E )?([^`]*)`/;
    return split ' ', $text // '';
}

# Other parameters that a value needs.
our %needs = (
    'hash=hmac' => 'key_file=' . key_file('one', $key[1]),
    'mode=route' => 'lookup=$arg_to',
    'mode=learn' => 'lookup=$arg_session create=$arg_session zone=learned:64k',
);

# An upstream with the directive alone, one with its defaults specified, and one for each other value of these parameters.
our (%others, $upstreams);
our %begin = ('session_sticky' => 'session_sticky', 'sticky' => 'sticky');
for my $directive (sort keys %begin) {
    my @defaults = defaults($directive);
    my ($names, $words) = documented($directive);
    my $servers = 'server A:; server B:; server D: max_fails=0;';
    $upstreams .= "upstream ${directive}_bare { $servers $directive; }\n"
                  . "upstream ${directive}_told { $servers $directive @defaults; }\n";
    for my $default (@defaults) {
        my ($name, $value) = $default =~ /^(\w+=)(.*)/;
        for my $other (grep { $_ ne $value } @{$words->{$name} // ['/other']}) {
            $other =~ s{^/}{} if $name !~ /path/;
            my $number = keys %{$others{$directive}};
            $others{$directive}{"${directive}_$number"} = "$name$other";
            my @rest = grep { $_ ne $default } @defaults;
            $upstreams .= "upstream ${directive}_$number { $servers $directive @rest $name$other "
                          . ($needs{"$name$other"} // '') . "; }\n";
        }
    }
}

client_sections();
upstream_sections('location /sees { return 200 "NAME sees [$http_cookie]"; }');
add_block_preprocessor(sub {
    my ($block) = @_;
    $block->set_value(no_error_log => "[alert]\n[crit]\n[emerg]\n");
});

# The results of requests to an upstream.
sub visits {
    my ($upstream) = @_;
    return join "\n", map {
        my $response = visit("/$upstream/sees", $_, 1983);
        status($response) . ' ' . set($response) . ' ' . (status($response) eq '200' ? body($response) : '')
    } undef, "route=$id{B}", 'route=nobody', "route=$id{D}";
}

run_tests();

__DATA__

=== names and values of each session persistence directive
--- client
my %directives = ('session_sticky' => 'session_sticky', 'sticky' => 'sticky name=a', 'sticky_cookie_insert' => 'sticky_cookie_insert a');
# Newer versions have their own directive.
$directives{'sticky cookie'} = 'sticky cookie a' if $version < 29;
for my $directive (sort keys %directives) {
    my ($documented, $words_documented) = documented($directive);
    my ($known, $words_known) = known($directive, $directives{$directive});
    holds(@$known > 2, "$directive has parameters");
    equals(join(' ', sort @$documented), join(' ', sort @$known), "$directive: the names in its syntax");
    equals(lines($words_documented), lines($words_known), "$directive: the values of each");
}



=== each parameter is documented, in the same order everywhere
--- client
my ($names) = documented('session_sticky');
my $order = join ' ', map { s/=//r } @$names;
equals(join(' ', grep { $order =~ /\b\Q$_\E\b/ } section('session_sticky') =~ /^### (\w+)$/mg), $order, 'session_sticky: the sections');
equals(join(' ', map { $$_[0] } table()), $order, 'session_sticky: the table');
equals(join(' ', grep { $order =~ /\b\Q$_\E\b/ } contents() =~ /\]\(#(\w+)\)/g), $order, 'the contents');
my ($names_of_sticky) = documented('sticky');
equals(join(' ', section('sticky') =~ /^\| `(\w+=?)/mg), "@$names_of_sticky", 'sticky: the table');



=== each parameter has an example, and a pitfall
--- client
for my $parameter (table()) {
    my ($name) = @$parameter;
    my ($text) = section('session_sticky') =~ /^### $name\n(.*?)(?=^##|\z)/ms;
    my ($example) = $text =~ /^```nginx\n(.*?)^```$/ms;
    holds(($example // '') =~ /\bsession_sticky\b[^;]*\s$name\b/, "$name: an example");
    holds($text =~ /^\*\*Pitfall:\*\*/m, "$name: a pitfall");
}



=== the modes of the table: in other modes, the module warns that a parameter is ignored
--- client
my %mode = (map({ $_ => "mode=$_" } qw(insert rewrite prefix)), route => 'mode=route lookup=$arg_a',
    learn => 'mode=learn lookup=$arg_a create=$arg_a zone=z:64k');
my @modes = qw(insert rewrite prefix route learn);
my $keys = 'key_file=' . key_file('one', $key[1]);
my %value = (cookie => 'a', mode => 'insert', option => 'indirect', domain => 'a', path => '/a', maxage => '9', samesite => 'lax',
    attr => 'A=b', maxidle => '9', maxlife => '9', refresh => '3', fallback => 'off', rebind => 'off', full => 'over', linger => '9',
    hash => 'plain', accept => 'md5', hmac_key => 'k', accept_key => 'k', accept_name => 'a-b-80', if => '$arg_b', follow => 'b',
    drain_if => '$arg_b', drain_time => '9', lookup => '$arg_b', create => '$arg_b', zone => 'y:64k', timeout => '9');
my %needed = (secure => '', partitioned => 'secure', refresh => 'maxidle=9', sign => "maxidle=9 $keys", hmac_key => 'accept=hmac-md5',
    accept_key => 'accept=angie', accept_name => 'accept=ingress', key_file => 'accept=hmac', drain_time => 'drain_if=$arg_c');
for my $parameter (table()) {
    my ($name, $default, $said) = @$parameter;
    next if $name eq 'mode';
    my $text = $name eq 'key_file' ? $keys : defined $value{$name} ? "$name=$value{$name}" : $name;
    my @takes = grep {
        verdict("session_sticky $mode{$_} " . ($needed{$name} // '') . " $text")
            !~ /\[warn\].*(?:"mode=|mode=\w+ ignores|applies only)/
    } @modes;
    equals(@takes == @modes ? 'all' : join(', ', @takes), $said, $name);
}



=== the forms of accept=
--- client
my ($legal) = verdict('session_sticky accept=~') =~ /\[emerg\] (?:\S+ )?invalid value .*, it must be any of (.*) in \S+$/m;
my ($table) = section('session_sticky') =~ /^\| form \|.*?\n\| --- .*?\n((?:\|.*\n)+)/m;
my @documented = map { /^\| (.*?) \|/ ? $1 =~ /`(.*?)`/g : () } split /\n/, $table;
equals(join(' ', sort @documented), join(' ', sort $legal =~ /"(.*?)"/g), 'the table has all forms');



=== defaults: specifying them has no effect, and any other value has one
--- upstreams eval: $::upstreams
--- client
for my $directive (sort keys %begin) {
    my $bare = visits("${directive}_bare");
    holds($bare =~ /sees/, "$directive: a server responds");
    equals(visits("${directive}_told"), $bare, "$directive: with its defaults specified");
    holds(keys %{$others{$directive}} > 3, "$directive: has other values");
    for my $upstream (sort keys %{$others{$directive}}) {
        # It has an effect only if max_conns is reached: choice/full.t.
        next if $others{$directive}{$upstream} eq 'full=over';
        holds(visits($upstream) ne $bare, "$directive: another result with $others{$directive}{$upstream}");
    }
    my ($names, $words) = documented($directive);
    my %default = map { /^(\w+=)/ => 1 } defaults($directive);
    my @none = grep { !$default{$_} } sort keys %$words;
    equals("@none", $directive eq 'sticky' ? 'hmac= text=' : 'samesite=', "$directive: parameters without a default");
}
my @of_table = map { my ($name, $default) = @$_; $default =~ /^`(.*)`$/ ? "$name=$1" : () } table();
equals("@of_table", join(' ', defaults('session_sticky'), 'drain_time=60s timeout=10m'), 'the defaults of the table');
