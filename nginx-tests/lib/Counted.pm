# What requests count in session_sticky_status, beside what the variables say of them in the log.
#
# counted_sections(SERVERS, MORE), said after client_sections(), makes the servers A, B and C, which answer with their name and
# have this text as well, and gives blocks these sections; MORE is {workers => 4}, for example
#   upstreams  upstream blocks, in which A: is the address of A (lib/Upstreams.pm); what leads to upstream NAME is /NAME/
#   locations  more of the server on port 1983, which has session_sticky_status at /status
#   more       more of the http block
#   since, before  skip it with older versions of nginx, or with this one and newer ones
# At the end of a block's "client", all that was counted must be what was wanted.
#
#   counts(PATH, COOKIE, WANTED)   a request, and what it counts
#   counts_of(SUB, WANTED, WHAT)   the same of whatever SUB does; returns what SUB returns
#   wants(WANTED)                  what is to be counted by the end of the block
#   begin_anew()                   what was counted up to now is no matter
#   counted(NAME)                  the document, or what it says of an upstream
#   as_wanted(WHAT)                all that was counted since the block began is what was wanted
#
# WANTED has, with " | " between them, a text for each request and each subrequest that met a sticky upstream:
#   u bound/valid/none A             upstream, status, verdict, action, and the server with which it counts
#   u bound/valid/none A?            a server that has not answered, which the log does not name
#   u new/none/none -                no server
#   u moved/down/inserted A, away D  it also counts as one of a session of D that went away
#   own off                          a balancer that is not followed
#   u off/unused/none A              persistence is off for the request, which counts with no server
#   +u ...                           the log has no line of it: the request went on to another upstream

package Counted;

use strict;
use warnings;

use Client;
use Exporter 'import';
use JSON::PP ();
use Servers;
use Test::Nginx::Socket ();
use Upstreams;

our @EXPORT = qw(counted_sections counts counts_of wants begin_anew counted as_wanted);

my @variables = map { "\$session_sticky_$_" } qw(status verdict action server);
my $format = join ' ', @variables, '$uri', '$request_uri';

sub log_name { return Test::Nginx::Util::server_root() . '/logs/sessions.log' }

sub counted_sections {
    my ($text, $more) = @_;
    my $servers = servers(qq[location / { return 200 "NAME"; }\n] . ($text // ''), qw(A B C));
    Test::Nginx::Socket::add_block_preprocessor(sub {
        my ($block) = @_;
        my $log = log_name();
        my $upstreams = $servers . "log_format sessions '$format';\naccess_log $log sessions;\nlog_subrequest on;\n" . ($block->more // '') . addressed($block->upstreams // '');
        $block->set_value(http_config => entrance($upstreams, <<"_EOC_"));
location = /status { session_sticky_status; access_log off; }
location = /file { return 200 "file"; }
location /nothing { return 200 "nothing"; }
@{[$block->locations // '']}
_EOC_
        if (defined(my $client = client_of($block))) {
            $block->set_value(client => sub { begin_anew(); $client->(); as_wanted('all that was counted') });
        }
        $block->set_value(skip_nginx => '5: < ' . $block->since) if defined $block->since;
        $block->set_value(skip_nginx => '5: > ' . $block->before) if defined $block->before;
        $block->set_value(workers => $more->{workers}) if $more->{workers};
        $block->set_value(no_error_log => "[alert]\n[emerg]\n") if !defined $block->no_error_log && !defined $block->error_log;
    });
}

sub counted {
    my ($name) = @_;
    my $socket = say_to_nginx("GET /status?format=json HTTP/1.0\r\nHost: localhost\r\n\r\n", 1983);
    my $document = eval { JSON::PP->new->utf8->decode(body(response($socket))) } // {upstreams => []};
    return $document if !defined $name;
    return (grep { $_->{name} eq $name } @{$document->{upstreams}})[0];
}

# Letters for addresses: those of servers on 127.0.0.1 that have one.
sub letters {
    my %names = map { $line{$_} => $_ } keys %line;
    return \%names;
}

# Every number of the document, by where it stands.
sub numbers {
    my %numbers;
    my $names = letters();
    for my $upstream (@{counted()->{upstreams}}) {
        my $name = $upstream->{name};
        for my $kind (qw(requests verdicts actions)) {
            $numbers{"$name $kind.$_"} = $upstream->{$kind}{$_} for keys %{$upstream->{$kind}};
        }
        for my $server (@{$upstream->{servers}}) {
            my $address = $names->{$server->{address}} // $server->{address};
            # Two lines of one address are told alike.
            $numbers{"$name $address.$_"} = $server->{requests}{$_} for keys %{$server->{requests}};
            $numbers{"$name $address.away"} = $server->{moved_away};
        }
    }
    return \%numbers;
}

my ($begin, %wanted);

sub begin_anew {
    $begin = numbers();
    %wanted = ();
}

# What a text adds to the numbers.
sub numbers_of {
    my ($text) = @_;
    my ($name, $status, $verdict, $action, $server, $away) =
        $text =~ m{^\+?(\S+) (\w+)(?:/(\w+)/(\w+) (\S+)(?:, away (\S+))?)?\z} or die "what is \"$text\"?\n";
    my @numbers = "$name requests.$status";
    push @numbers, "$name verdicts." . ($verdict // 'unused'), "$name actions." . ($action // 'none');
    push @numbers, "$name $1.$status" if defined $server && $status ne 'off' && $server =~ /^([^-?][^?]*)/;
    push @numbers, "$name $away.away" if defined $away;
    return @numbers;
}

sub wants {
    my ($wanted) = @_;
    for my $text (split / \| /, $wanted) {
        $wanted{$_}++ for numbers_of($text);
    }
}

# Those that are not 0, as a text.
sub told {
    my ($numbers, $before) = @_;
    my @told = map { my $number = $numbers->{$_} - ($before->{$_} // 0); $number ? "$_=$number" : () } sort keys %$numbers;
    return join ', ', @told;
}

sub as_wanted {
    my ($what) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    my $numbers;
    my %expected = (%$begin, map { $_ => $wanted{$_} + ($begin->{$_} // 0) } keys %wanted);
    soon(sub { $numbers = numbers(); told($numbers, \%expected) eq '' });
    return equals(told($numbers, \%expected), '', $what);
}

# What the log says of requests that met a sticky upstream, from this place on.
sub logged {
    my ($from, $names) = @_;
    open my $log, '<', log_name() or return;
    seek $log, $from, 0;
    my @lines;
    my $letters = letters();
    for (readline $log) {
        chomp;
        my ($status, $verdict, $action, $server, $path, $asked) = split / /;
        next if $status eq '-';
        my ($upstream) = grep { $names->{$_} } map { m{^/([^/?]+)} } $path, $asked;
        $upstream //= '?';
        $server = $letters->{$server} // $server;
        push @lines, $verdict eq '-' && $action eq '-' ? "$upstream $status" : "$upstream $status/$verdict/$action $server";
    }
    return sort @lines;
}

sub counts_of {
    my ($sub, $wanted, $what) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    my $from = -s log_name() // 0;
    my $before = numbers();
    my $names = {map { (split / /)[0] => 1 } keys %$before};
    my @result = $sub->();

    my @texts = split / \| /, $wanted;
    my %numbers;
    $numbers{$_}++ for map { numbers_of($_) } @texts;
    my ($told, $expected) = (undef, told(\%numbers));
    soon(sub { $told = told(numbers(), $before); $told eq $expected });
    equals($told, $expected, "$what: the counters");

    my $lines = join ' | ', sort map { s/ [^-\s]\S*\?/ -/r } map { s/, away .*//r } grep { !/^\+/ } @texts;
    my $logged;
    soon(sub { $logged = join ' | ', logged($from, $names); $logged eq $lines });
    equals($logged, $lines, "$what: the log");
    wants($wanted);
    return wantarray ? @result : $result[0];
}

sub counts {
    my ($path, $cookie, $wanted) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    return counts_of(sub { visit($path, $cookie, 1983) }, $wanted, "$path " . shortened($cookie // '-'));
}

sub shortened {
    my ($text) = @_;
    $text =~ s/\Q$id{$_}\E/$_/g for sort keys %id;
    return $text;
}

1;
