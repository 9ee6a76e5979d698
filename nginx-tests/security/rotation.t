# A key takes the place of another, as an operator does it who has two nginx in front of the same servers, with a key file each:
# the new one on top on one front, a reload; on the other, a reload; the old one removed on the first, a reload; on the second, a
# reload. Clients change the front with each request, and no session moves at any moment.
#
# The upstreams of the fronts have different names, and are reached by the same paths:
#   signed    sign                      fresh    the same, whose stamps are not renewed for an hour
#   keyed     hash=hmac                 both     hash=hmac and sign
#   prefix    mode=prefix hash=hmac     rewrite  mode=rewrite hash=hmac, where the application sets the cookie in each response
#   held      hash=hmac and sign, with a server that the test plays itself

use Sticky qw(Fronts Keys Running);
use Digest::MD5 'md5_hex';
use POSIX ();
use Time::HiRes 'sleep';

our @forms = qw(signed fresh keyed both prefix rewrite);
our @fronts = qw(first second);
my %parameters = (
    signed => 'sign maxidle=1h', fresh => 'sign maxidle=2h refresh=1h', keyed => 'hash=hmac', both => 'hash=hmac sign maxlife=1h',
    prefix => 'mode=prefix hash=hmac', rewrite => 'mode=rewrite hash=hmac', held => 'hash=hmac sign maxidle=1h',
);
our $servers = servers(<<'_EOC_', qw(A B C));
location / { return 200 "NAME"; }
location /sets { add_header Set-Cookie "$arg_cookie=value; Path=/"; return 200 "NAME"; }
_EOC_

# Weights differ, so that two fronts that only counted would not agree by chance.
sub front {
    my ($front) = @_;
    my $list = 'server 127.0.0.1:1985 weight=3; server 127.0.0.1:1986 weight=2; server 127.0.0.1:1987;';
    my $held = 'server 127.0.0.1:1991; server 127.0.0.1:1985 backup;';
    return "add_header X-Verdict \$session_sticky_verdict always;\n" . join '', map {
        "upstream ${_}_of_$front { " . (/held/ ? $held : $list) . " session_sticky cookie=$_ $parameters{$_} key_file=$keys/$front; }\n"
    } sort keys %parameters;
}

sub locations {
    my ($front) = @_;
    return join '', map { "location /$_/ { proxy_pass http://${_}_of_$front/; }\n" } sort keys %parameters;
}

# Clients: each has the name of its cookie, the value, its server, and the front that it visits next.
our (@clients, @load);

sub other { my ($front) = @_; return $front eq 'first' ? 'second' : 'first' }

# A request of a client. Returns what is wrong, if anything.
sub request_of_client {
    my ($client) = @_;
    my ($form, $front) = @$client{qw(form front)};
    $client->{front} = other($front);
    my $cookie = defined $client->{value} ? "$form=$client->{value}" : undef;
    my $response = at($front, "/$form/" . ($form =~ /prefix|rewrite/ ? "sets?cookie=$form" : ''), $cookie);
    my $server = body($response);
    my $verdict = head('X-Verdict', $response);
    my $before = $client->{value};
    $client->{value} = bound($response) if set($response) ne '';
    if (!defined $before) {
        $client->{server} = $server;
        return $verdict eq 'none' && $server =~ /^[ABC]$/ ? '' : "$form, a first visit: $verdict, $server";
    }
    return '' if $verdict eq 'valid' && $server eq $client->{server};
    return "$form, session of $client->{server} at the $front front: $verdict, $server; its cookie is $before, by keys "
        . join '.', map { my $mac = $_; map { $mac eq mac($key[$_], $form, $before =~ s/\|[^|]*\z//r) ? $_ : () } 0 .. 3 } split /[|.]/, $before;
}

# Every client visits this often, some more begin, and nobody moves.
sub everyone {
    my ($times, $what) = @_;
    my @wrong = grep { length } map { my $client = $_; map { request_of_client($client) } 1 .. $times } @clients;
    for my $front (@fronts) {
        my @new = map { {form => $_, front => $front} } @forms;
        push @wrong, grep { length } map { request_of_client($_), request_of_client($_) } @new;
        push @clients, @new;
    }
    equals(CORE::join("\n", @wrong), '', $what);
}

# The steps: a front, and its keys from then on.
sub steps_to {
    my ($new, $old) = @_;
    return (['first', $new, $old], ['second', $new, $old], ['first', $new], ['second', $new]);
}

sub step {
    my ($front, @numbers) = @_;
    key_file($front, @key[@numbers]);
    holds(reload_front($front), "the $front front has keys @numbers");
}

client_sections();
add_block_preprocessor(sub {
    my ($block) = @_;
    key_file($_, $key[0]) for @fronts;
    $block->set_value(workers => 2);
    $block->set_value(http_config => $servers . front('first'));
    $block->set_value(config => locations('first'));
    my $client = client_of($block);
    $block->set_value(client => sub {
        second_front(front('second') . "server { listen 127.0.0.1:1982;\n" . locations('second') . "}\n");
        holds(reload_front('second'), 'the second front has its first key');
        @clients = ();
        $client->();
    });
});

no_shuffle();
master_on();
run_tests();

__DATA__

=== keys follow each other: no session moves
--- client
everyone(2, 'before');
for my $turn (1 .. 3) {
    for my $step (steps_to($turn, $turn - 1)) {
        step(@$step);
        everyone(2, "turn $turn, step @$step");
    }
}
holds(@clients > 150, scalar(@clients) . ' clients');
my ($keyed) = grep { $_->{form} eq 'keyed' } @clients;
equals($keyed->{value}, key_id($key[3], $keyed->{server}), 'who has come all the way has an id by the last key alone');
my ($signed) = grep { $_->{form} eq 'signed' } @clients;
equals($signed->{value}, signed('signed', $signed->{value} =~ s/\|[^|]*\z//r, $key[3]), 'and a signature by it');
my ($first) = $clients[0]{value} =~ /\|(\d+)\|[^|]*\z/;
holds($first < time, 'since it began');



=== one visit is enough, after both fronts have the new key and before the old one goes
--- client
everyone(2, 'before');
my ($add, $add_there, $remove, $remove_there) = steps_to(1, 0);
step(@$add);
step(@$add_there);
everyone(1, 'one visit');
step(@$remove);
step(@$remove_there);
everyone(2, 'afterwards');



=== who does not come by meanwhile begins anew, and is not refused
--- client
everyone(2, 'before');
my @before = @clients;
@clients = ();
step(@$_) for steps_to(1, 0);
for my $client (@before) {
    my $form = $client->{form};
    my $response = at($client->{front}, "/$form/", "$form=$client->{value}");
    equals(head('X-Verdict', $response) . ' ' . status($response), ($form =~ /signed|fresh|both/ ? 'forged' : 'unknown') . ' 200', $form);
}



=== the old key goes back on top: the way back loses nobody either
--- client
everyone(2, 'before');
for my $step (['first', 1, 0], ['second', 1, 0], ['first', 0, 1], ['second', 0, 1], ['first', 0], ['second', 0]) {
    step(@$step);
    everyone(2, "step @$step");
}



=== three keys at a time: all are read, two of them write
--- client
everyone(2, 'before');
for my $step (['first', 1, 0], ['second', 1, 0], ['first', 2, 1, 0], ['second', 2, 1, 0], ['first', 2, 1], ['second', 2, 1]) {
    step(@$step);
    everyone(2, "step @$step");
}



=== requests are running while the keys change
--- client
# Each in a process of its own, over and over, with its clients; how far it is, and what went wrong, is in a file.
my $tests = $$;
@load = ();
for my $number (1 .. 3) {
    my $pid = fork // die "fork: $!\n";
    push(@load, $pid), next if $pid;
    my $go = 1;
    local $SIG{TERM} = sub { $go = 0 };
    my ($round, @wrong) = (0);
    while ($go && getppid == $tests) {
        # Some leave, others come.
        splice @clients, 0, 4 if @clients > 40;
        push @clients, map { {form => $_, front => $fronts[$round % 2]} } @forms if $round % 4 == 0;
        for my $client (@clients) {
            my $wrong = eval { request_of_client($client) } // "no answer: $@";
            # The signal ends what waits.
            push @wrong, $wrong if length $wrong && $go;
        }
        $round++;
        open my $file, '>', "$keys/load-$number.new" or POSIX::_exit(1);
        print $file "$round\n", map { "$_\n" } @wrong;
        close $file;
        rename "$keys/load-$number.new", "$keys/load-$number";
    }
    POSIX::_exit(0);
}
sub told { my ($number) = @_; open my $file, '<', "$keys/load-$number" or return 0; chomp(my @lines = readline $file); return @lines }
# Until each of their clients has come by twice.
sub rounds {
    my @from = map { (told($_))[0] // 0 } 1 .. @load;
    return soon(sub { !grep { ((told($_))[0] // 0) < $from[$_ - 1] + 3 } 1 .. @load });
}
holds(rounds(), 'they come by');
for my $turn (1, 2, 3) {
    for my $step (steps_to($turn, $turn - 1)) {
        step(@$step);
        holds(rounds(), 'they come by');
    }
}
kill TERM => @load;
waitpid $_, 0 for @load;
for my $number (1 .. @load) {
    my ($rounds, @wrong) = told($number);
    equals(CORE::join("\n", @wrong), '', "process $number, $rounds rounds: nobody moves");
}



=== a request that an old worker holds gets a cookie by the old key, which both fronts know until it goes
--- client
my $held = serve(1991);
my $address = '127.0.0.1:1991';
my $now = time - 10;
my $value = sub { my @keys = @_; return signed('held', CORE::join('|', key_ids($address, @keys), $now, $now), @keys) };
my $asked = ask('/held/', 'held=' . $value->($key[0]), 1984);
my $taken = taken($held);
step('first', 1, 0);
step('second', 1, 0);
my $other = ask('/held/', 'held=' . $value->($key[0]), 1984);
my $taken_now = taken($held);
answer($taken, 'old');
answer($taken_now, 'new');
my ($old, $new) = map { response($_) } $asked, $other;
equals(body($old) . body($new), 'oldnew', 'both are answered');
my ($by_old, $by_new) = map { bound($_) } $old, $new;
equals($by_old, signed('held', $by_old =~ s/\|[^|]*\z//r, $key[0]), 'the old worker writes with the old key');
equals($by_new, signed('held', $by_new =~ s/\|[^|]*\z//r, @key[1, 0]), 'the new one with both');
for my $front (@fronts) {
    for my $cookie ($by_old, $by_new) {
        $asked = ask('/held/', "held=$cookie", $front eq 'first' ? 1984 : 1982);
        answer(taken($held), 'held');
        my $response = response($asked);
        equals(head('X-Verdict', $response) . ' ' . body($response), 'valid held', "the $front front follows either");
    }
}



=== a key file that changes does nothing before a reload, whatever becomes of the workers
--- client
everyone(2, 'before');
key_file('first', $key[2]);
everyone(2, 'the file has another key');
unlink "$keys/first";
everyone(2, 'the file is gone');
my @before = children();
kill TERM => $before[0];
eventually(sub { my @now = children(); @now == 2 && !grep { $_ eq $before[0] } @now }, 'a worker ends, and another one comes');
everyone(2, 'the new worker has the keys from before');
my ($keyed) = grep { $_->{form} eq 'keyed' } reverse @clients;
equals($keyed->{value}, key_id($key[0], $keyed->{server}), 'and makes ids with them');



=== a bad key file, or none: nginx goes on with the keys that it has
--- client
everyone(2, 'before');
my $reloads = 0;
for my $bad (undef, [], ['short'], [@key, 'short'], [map { "the key number $_ of too many" } 1 .. 9]) {
    if ($bad) { key_file('first', @$bad) } else { unlink "$keys/first" }
    kill HUP => master();
    $reloads++;
    eventually(sub { log_lines(qr/\[emerg\].*could not use key_file/) == $reloads }, 'a reload is refused');
    everyone(2, 'everyone goes on');
}
holds(!(grep { my $line = $_; grep { $line =~ /\Q$_\E/ } @key, 'short"', 'of too many' } log_lines(qr/./)), 'the log has no key');
key_file('first', @key[1, 0]);
holds(reload_front('first'), 'a good one is taken');
everyone(2, 'and everyone goes on');
my ($keyed) = grep { $_->{form} eq 'keyed' && $_->{front} eq 'second' } reverse @clients;
equals(scalar(() = $keyed->{value} =~ /\./g), 1, 'with ids by both');
--- error_log
could not use key_file
--- no_error_log
[alert]
[crit]
